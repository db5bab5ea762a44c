/* mutant.h - what an instrumented source asks before it does what a mutant would not do. Included
 * before every file of the copy that tests/mutation/mutation.py builds, and nowhere else. */
#ifndef FERRY_MUTANT_H
#define FERRY_MUTANT_H

/* The mutant that is in effect, 0 for none: MUTANT, read once. (No name that begins with FERRY_:
 * what a command is told has such names, and tests look at all of them.) */
__attribute__((visibility("hidden"))) extern unsigned ferry_mutant_chosen;

/* One byte a mutant, shared with whoever asks which of them were reached; NULL when nobody does. */
__attribute__((visibility("hidden"))) extern unsigned char *ferry_mutant_reached;

static inline int ferry_mutant(unsigned number)
{
    if (ferry_mutant_reached)
        ferry_mutant_reached[number] = 1;
    return ferry_mutant_chosen == number;
}

#endif
