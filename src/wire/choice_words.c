/* choice_words.c - why a mechanism is the first, and what would make it faster, for people. */
#include "wire/choice.h"
#include "wire/limits.h"

#include <stdio.h>

/* 34213 as "34.2 us". */
static void time_append(struct bytes *text, double time_ns)
{
    static const char *const units[] = { "ns", "us", "ms", "s" };
    size_t unit = 0;

    for (; time_ns >= 999.5 && unit < 3; unit++)
        time_ns /= 1000;
    bytes_print(text, "%.*f %s", unit == 0 || time_ns >= 99.95 ? 0 : 1, time_ns, units[unit]);
}

static void cost_append(struct bytes *text, const struct choice_prediction *prediction)
{
    time_append(text, prediction->cpu_ns);
    bytes_append_text(text, " of a processor and ");
    time_append(text, prediction->wait_ns);
    bytes_append_text(text, " of waiting");
}

static const char *reason_of(const struct workload *workload, const struct choice_prediction *first)
{
    if (first->looks_out && workload->answered)
        return "both ends look out for each other, so nobody has to be woken";
    if (first->looks_out)
        return "messages follow each other before the receiver, which looks out, falls asleep: "
               "nobody has to be woken";
    if (first->mechanism == CHOICE_RING && first->wakes < CHOICE_WAKES_FEW)
        return "the receiver hardly sleeps, and then a message needs no system call";
    if (first->wakes < CHOICE_WAKES_FEW)
        return "the receiver hardly sleeps, so what counts is what it takes to carry a message";
    return "each wakes its receiver, which costs about the same by any mechanism; what is left is "
           "the carrying";
}

void choice_explain(
    const struct workload *workload, const struct choice *choice, struct bytes *text)
{
    const struct choice_prediction *first = &choice->ranking[0], *second = &choice->ranking[1];
    const char *name = choice_name(first->mechanism);

    if (choice->candidates == 0) {
        bytes_append_text(text, "nothing: descriptors stay on their machine");
        return;
    }
    if (choice->candidates == 1) {
        bytes_print(text, "%s: it is all that is left", name);
        return;
    }
    if (first->is_late) {
        bytes_print(
            text, "%s: so many can't go by any; by it %.3g a second can", name, first->most_per_s);
        return;
    }
    bytes_print(text, "%s: %s", name, reason_of(workload, first));
    if (choice_is_held_back(choice, 1))
        bytes_append_text(text, ". A ring is better by no more than chance, and takes memory");
    else if (!second->is_late && choice_score(second) * CHOICE_CHANCE_SHARE < choice_score(first))
        bytes_print(text, ". That %s comes after it is little more than chance",
            choice_name(second->mechanism));
}

/* Whether it would be much better with another workload, which is then said. */
static void advise_if(const struct workload *other, const struct choice_costs *costs,
    const struct choice_prediction *first, const char *what, struct bytes *text)
{
    struct choice better;

    choice_make(other, costs, &better);
    const struct choice_prediction *head = &better.ranking[0];
    if (better.candidates == 0 || head->is_late ||
        choice_score(head) > choice_score(first) * CHOICE_CHANCE_SHARE)
        return;
    bytes_print(text, "%s: by %s ", what, choice_name(head->mechanism));
    cost_append(text, head);
    bytes_append_char(text, '\n');
}

/* Several at a time share what one wake-up costs. */
static void advise_batch(const struct workload *workload, const struct choice_costs *costs,
    const struct choice_prediction *first, struct bytes *text)
{
    struct choice_cost cost;

    if (workload->answered || first->wakes < CHOICE_WAKES_FEW ||
        workload->rate_per_s < CHOICE_BATCH ||
        !choice_cost_at(
            costs->of[choice_place_of(workload)][first->mechanism], workload->size, &cost))
        return;
    double each_ns = cost.busy_ns + (first->cpu_ns - cost.busy_ns) / CHOICE_BATCH;
    if (each_ns > first->cpu_ns * CHOICE_CHANCE_SHARE)
        return;
    bytes_print(
        text, "%.0f messages at a time, where they may wait for each other: ", CHOICE_BATCH);
    time_append(text, each_ns);
    bytes_append_text(text, " of a processor each\n");
}

void choice_advise(const struct workload *workload, const struct choice_costs *costs,
    const struct choice *choice, struct bytes *text)
{
    const struct choice_prediction *first = &choice->ranking[0];
    struct workload other = *workload;

    if (choice->candidates == 0)
        return;
    advise_batch(workload, costs, first, text);
    other.descriptors = false;
    if (workload->descriptors)
        advise_if(&other, costs, first, "descriptors by a channel of their own", text);
    other = *workload;
    other.remote = false;
    if (workload->remote)
        advise_if(&other, costs, first, "the other end on this machine", text);
    other = *workload;
    other.one_processor = !workload->one_processor;
    if (!workload->remote)
        advise_if(&other, costs, first,
            workload->one_processor ? "a processor for each end" : "both ends on one processor",
            text);
    if (first->mechanism == CHOICE_RING && workload->size >= CHOICE_LOAN_SIZE)
        bytes_append_text(text, "write in place and read in place (ferry_ring_loan(), "
                                "ferry_ring_borrow()): no copy at all\n");
}
