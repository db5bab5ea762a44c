/* print.c - how `show` lays out what it tells. */
#include "command/show/print.h"
#include "base/account.h"
#include "base/cleanup.h"
#include "command/limits.h"
#include "command/show/process.h"
#include "command/table.h"
#include "process/user.h"

#include <stdarg.h>
#include <string.h>
#include <time.h>

void print_label(struct bytes *text, const char *label)
{
    bytes_print(text, "  %-*s", SHOW_LABEL_WIDTH, label);
}

void print_line(struct bytes *text, const char *label, const char *format, ...)
{
    va_list arguments;

    print_label(text, label);
    va_start(arguments, format);
    bytes_vprint(text, format, arguments);
    va_end(arguments);
    bytes_append_char(text, '\n');
}

void print_hostile(struct bytes *text, const char *label, const char *hostile)
{
    if (!hostile)
        return;
    print_label(text, label);
    bytes_append_escaped(text, hostile, strlen(hostile));
    bytes_append_char(text, '\n');
}

void print_list_begin(struct print_list *list, struct bytes *text, const char *label)
{
    *list = (struct print_list){ .text = text, .label = label };
}

void print_list_add(struct print_list *list, const struct bytes *item)
{
    size_t size = item->size + 2;

    if (bytes_failed(item)) {
        list->text->failed = true;
        return;
    }
    if (list->column && list->column + size > SHOW_WIDTH) {
        bytes_append_text(list->text, ",\n");
        list->column = 0;
    }
    if (!list->column) {
        print_label(list->text, list->label);
        list->label = "";
        list->column = SHOW_LABEL_WIDTH + 2;
    } else {
        bytes_append_text(list->text, ", ");
    }
    bytes_append_text(list->text, item->data);
    list->column += size;
}

void print_list_end(struct print_list *list)
{
    if (list->column)
        bytes_append_char(list->text, '\n');
}

static void print_id(struct bytes *text, const char *name, unsigned id)
{
    if (name) {
        bytes_append_escaped(text, name, strlen(name));
        bytes_print(text, " (%u)", id);
    } else if (id == (unsigned)-1) {
        bytes_append_text(text, "unknown");
    } else {
        bytes_print(text, "%u", id);
    }
}

void print_user(struct bytes *text, uid_t uid)
{
    print_id(text, uid == (uid_t)-1 ? NULL : user_name(uid), uid);
}

void print_group(struct bytes *text, gid_t gid)
{
    AUTO_FREE char *name = NULL;
    if (gid != (gid_t)-1)
        (void)group_find_name(gid, &name);
    print_id(text, name, gid);
}

void print_start(struct bytes *text, uint64_t start_ticks)
{
    char age[24], date[32];
    time_t start = process_start_s(start_ticks);
    struct tm local;

    span_print(process_age_ms(start_ticks), age);
    if (localtime_r(&start, &local) && strftime(date, sizeof(date), "%F %T", &local))
        bytes_print(text, "%s, ", date);
    bytes_print(text, "%s ago", age);
}
