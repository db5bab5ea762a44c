/* screen_text.c - text that others chose, cut at whole characters, in columns of the terminal. */
#define NCURSES_WIDECHAR 1
#include "base/cleanup.h"
#include "command/top/screen.h"

#include <curses.h>
#include <string.h>
#include <wchar.h>
#include <wctype.h>

/* They turn the direction of what follows or show nothing: a name could look like another. */
static bool is_invisible(wchar_t letter)
{
    return (letter >= 0x200b && letter <= 0x200f) || (letter >= 0x2028 && letter <= 0x202e) ||
           (letter >= 0x2060 && letter <= 0x206f) || letter == 0xfeff;
}

/* The next character; '?' for what is none in this locale or can't be shown. Returns how many bytes
 * it was, 0 at the end. */
static size_t next_letter(const char *text, wchar_t *ret_letter, size_t *ret_width)
{
    mbstate_t state = { 0 };
    size_t size = mbrtowc(ret_letter, text, MB_CUR_MAX, &state);
    bool wrong = size == (size_t)-1 || size == (size_t)-2;

    if (size == 0)
        return 0;
    if (wrong || is_invisible(*ret_letter) || wcwidth(*ret_letter) < 0)
        *ret_letter = L'?';
    *ret_width = (size_t)wcwidth(*ret_letter);
    return wrong ? 1 : size;
}

size_t screen_text_width(const char *text)
{
    size_t size, width, sum = 0;
    wchar_t letter;

    while ((size = next_letter(text, &letter, &width)) > 0) {
        text += size;
        sum += width;
    }
    return sum;
}

/* What is left when so many columns at least are passed over. */
static const char *pass_over(const char *text, size_t columns)
{
    size_t size, width, sum = 0;
    wchar_t letter;

    while (sum < columns && (size = next_letter(text, &letter, &width)) > 0) {
        text += size;
        sum += width;
    }
    return text;
}

void screen_put(int line, int column, size_t width, const char *text, bool tail)
{
    size_t whole = screen_text_width(text), size, used = 0, letter_width;
    bool cut = whole > width;
    wchar_t letter;

    if (width == 0 || move(line, column) == ERR)
        return;
    if (cut && tail) {
        addnwstr(L"~", 1);
        text = pass_over(text, whole - width + 1);
        width--;
    } else if (cut) {
        width--;
    }
    while ((size = next_letter(text, &letter, &letter_width)) > 0 && used + letter_width <= width) {
        addnwstr(&letter, 1);
        used += letter_width;
        text += size;
    }
    if (cut && !tail)
        addnwstr(L"~", 1);
}
