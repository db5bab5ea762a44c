/* letter.c - received messages that wait in a session's queue.
 *
 * One allocation a letter: its head, its descriptors, its bytes.
 */
#include "transport/letter.h"
#include "base/cleanup.h"

#include <string.h>

struct letter {
    struct list node;
    int code;    /* why it is lost; it has no bytes then */
    size_t size; /* bytes; its true size when it is lost */
    size_t descriptor_count;
    int descriptors[];
};

static char *letter_bytes(struct letter *letter)
{
    return (char *)&letter->descriptors[letter->descriptor_count];
}

struct letter *letter_new(struct ferry_message *message, int code)
{
    size_t size = code < 0 ? 0 : message->size;
    size_t descriptors_size = message->descriptor_count * sizeof(int);
    struct letter *letter = malloc(sizeof(*letter) + descriptors_size + size);

    if (!letter)
        return NULL;
    list_init(&letter->node);
    letter->code = code;
    letter->size = message->size;
    letter->descriptor_count = message->descriptor_count;
    if (descriptors_size > 0)
        memcpy(letter->descriptors, message->descriptors, descriptors_size);
    message->descriptor_count = 0;
    if (size > 0)
        memcpy(letter_bytes(letter), message->data, size);
    return letter;
}

static void letter_free(struct letter *letter)
{
    for (size_t i = 0; i < letter->descriptor_count; i++)
        fd_close(&letter->descriptors[i]);
    free(letter);
}

void letters_init(struct letters *letters)
{
    list_init(&letters->list);
    letters->count = 0;
    letters->size = 0;
    letters->descriptor_count = 0;
}

void letters_add(struct letters *letters, struct letter *letter)
{
    list_add_last(&letters->list, &letter->node);
    letters->count++;
    letters->size += letter->size;
    letters->descriptor_count += letter->descriptor_count;
}

static struct letter *letters_first(const struct letters *letters)
{
    return LIST_ENTRY(letters->list.next, struct letter, node);
}

static void letters_drop_first(struct letters *letters)
{
    struct letter *letter = letters_first(letters);

    list_remove(&letter->node);
    letters->count--;
    letters->size -= letter->size;
    letters->descriptor_count -= letter->descriptor_count;
    letter_free(letter);
}

void letters_fini(struct letters *letters)
{
    while (letters->count > 0)
        letters_drop_first(letters);
}

bool letters_first_is_lost(const struct letters *letters, size_t room)
{
    const struct letter *letter = letters_first(letters);
    return letter->code < 0 || letter->size > room;
}

int letters_take(
    struct letters *letters, struct inbox_slot *slot, struct ferry_message *ret_message)
{
    struct letter *letter = letters_first(letters);
    int code = letter->code;

    if (code == 0 && letter->size > slot->buffer.iov_len)
        code = -EMSGSIZE;
    *ret_message = (struct ferry_message){ .size = letter->size, .descriptors = slot->descriptors };
    if (code == 0) {
        ret_message->data = memcpy(slot->buffer.iov_base, letter_bytes(letter), letter->size);
        ret_message->descriptor_count = letter->descriptor_count;
        memcpy(slot->descriptors, letter->descriptors, letter->descriptor_count * sizeof(int));
        letters->descriptor_count -= letter->descriptor_count;
        letter->descriptor_count = 0;
    }
    letters_drop_first(letters);
    return code;
}
