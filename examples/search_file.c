/* search_file.c - says at which bytes of a file a text stands, in little memory however large it
 * is. Sealed memory is mapped; with a third argument any file is, which nobody may shorten then. */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE /* memmem */
#endif
#include <fcntl.h>
#include <ferry/ferry.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int main(int argc, char **argv)
{
    struct ferry_window_options options = {
        .struct_size = sizeof(options), .mapped = true, .trusted = argc > 3
    };
    struct ferry_window *window;
    struct ferry_piece piece = { .size = 0 };
    struct ferry_error error;
    int r;

    if (argc < 3 || !*argv[2]) {
        fprintf(stderr, "usage: %s FILE TEXT [trusted]\n", argv[0]);
        return EXIT_FAILURE;
    }
    if (ferry_window_open(open(argv[1], O_RDONLY | O_CLOEXEC), &options, &window, &error) < 0) {
        fprintf(stderr, "%s: %s; %s\n", argv[1], error.reason, error.remedy);
        return EXIT_FAILURE;
    }
    size_t size = strlen(argv[2]), kept = size - 1;
    /* A text that begins in one piece and ends in the next is found in the next. */
    while ((r = ferry_window_next(window, piece.size < kept ? piece.size : kept, &piece)) > 0) {
        const char *at = piece.data, *end = at + piece.size;
        while ((at = memmem(at, (size_t)(end - at), argv[2], size)))
            printf("%" PRIu64 "\n", piece.offset + (uint64_t)(at++ - (const char *)piece.data));
    }
    ferry_window_close(window);
    return r < 0;
}
