/* processor.h - looking out for another processor. */
#ifndef FERRY_BASE_PROCESSOR_H
#define FERRY_BASE_PROCESSOR_H

/* Between two looks at a word that another processor will write: leaves the rest of this one's core
 * to who shares it. */
static inline void processor_relax(void)
{
#if defined(__x86_64__) || defined(__i386__)
    __builtin_ia32_pause();
#elif defined(__aarch64__) || defined(__arm__)
    __asm__ __volatile__("yield");
#endif
}

#endif
