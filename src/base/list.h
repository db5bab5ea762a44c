/* list.h - intrusive doubly linked list; the head is a node too, so nothing is a special case. */
#ifndef FERRY_BASE_LIST_H
#define FERRY_BASE_LIST_H

#include "base/cleanup.h"

#include <stdbool.h>
#include <stddef.h>

struct list {
    struct list *next, *previous;
};

static inline void list_init(struct list *list)
{
    list->next = list->previous = list;
}

static inline bool list_empty(const struct list *list)
{
    return list->next == list;
}

static inline void list_add_last(struct list *head, struct list *node)
{
    node->previous = head->previous;
    node->next = head;
    head->previous->next = node;
    head->previous = node;
}

/* Unlinks; safe to call again, and on a node that was only initialised. */
static inline void list_remove(struct list *node)
{
    node->previous->next = node->next;
    node->next->previous = node->previous;
    list_init(node);
}

/* Moves all nodes of `from` to the end of `to`. */
static inline void list_splice_last(struct list *to, struct list *from)
{
    if (list_empty(from))
        return;
    from->next->previous = to->previous;
    to->previous->next = from->next;
    from->previous->next = to;
    to->previous = from->previous;
    list_init(from);
}

#define LIST_ENTRY(node, type, member) CONTAINER_OF(node, type, member)

#define list_each(node, head) for ((node) = (head)->next; (node) != (head); (node) = (node)->next)

/* The loop body may remove `node` (only that one). */
#define list_each_safe(node, after, head)                                                          \
    for ((node) = (head)->next, (after) = (node)->next; (node) != (head);                          \
         (node) = (after), (after) = (node)->next)

#endif
