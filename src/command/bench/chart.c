/* chart.c - charts as inline SVG.
 *
 * Coordinates are those of the view box; the browser scales it. Everything that has a colour has it
 * from a class, so that light and dark are the style sheet's business alone.
 */
#include "command/bench/chart.h"
#include "base/cleanup.h"
#include "command/bench/markup.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

/* The view box, and the field within it that curves are drawn in. */
enum { WIDTH = 768, HEIGHT = 420, LEFT = 92, TOP = 44, RIGHT = 536, BOTTOM = 352 };
/* From a curve's end to its name, and from name to name, where there is room for all of them; where
 * the last one is, and how high they may reach. */
enum { NAME_GAP = 34, NAME_PITCH = 19, NAME_LAST = BOTTOM - 2, NAME_FIRST = 14 };

struct scale {
    double from, to; /* logarithms */
    double start, end;
};

/* --- numbers ---------------------------------------------------------------------------------- */

/* Without libm, which every ferry that starts would load for this alone. */

static double power_of_ten(int exponent)
{
    double power = 1;

    for (; exponent > 0; exponent--)
        power *= 10;
    for (; exponent < 0; exponent++)
        power /= 10;
    return power;
}

/* The decimal logarithm of what is above 0: whole powers, and of the rest the series of artanh. */
static double logarithm(double value)
{
    double whole = 0, sum = 0;

    for (; value >= 10; whole++)
        value /= 10;
    for (; value < 1; whole--)
        value *= 10;
    double z = (value - 3) / (value + 3), power = z;
    for (int i = 1; i < 40; i += 2, power *= z * z)
        sum += power / i;
    return whole + 0.477121254719662437 + 2 * sum / 2.302585092994045684; /* log 3, ln 10 */
}

static int round_down(double value)
{
    int whole = (int)value;
    return whole > value ? whole - 1 : whole;
}

static double scale_place(const struct scale *scale, double value)
{
    double part = (logarithm(value) - scale->from) / (scale->to - scale->from);
    return scale->start + part * (scale->end - scale->start);
}

/* --- parts ------------------------------------------------------------------------------------ */

static void svg_begin(const char *title, int height, struct bytes *page)
{
    bytes_print(page,
        "<svg xmlns=\"http://www.w3.org/2000/svg\" class=\"chart\" role=\"img\" "
        "viewBox=\"0 0 %d %d\">",
        WIDTH, height);
    markup_element(page, "title", title);
    bytes_print(page, "<text class=\"heading\" x=\"%d\" y=\"22\">", 8);
    markup_text(page, title);
    bytes_append_text(page, "</text>\n");
}

static void axis_title(const struct chart_axis *axis, const char *how, struct bytes *page)
{
    bytes_print(page, "<text class=\"axis-title\" %s>", how);
    markup_text(page, axis->title);
    bytes_append_text(page, *axis->unit ? " (" : "");
    markup_text(page, axis->unit);
    bytes_append_text(page, *axis->unit ? ")</text>\n" : "</text>\n");
}

static void line(const char *kind, double x1, double y1, double x2, double y2, struct bytes *page)
{
    bytes_print(page, "<line class=\"%s\" x1=\"%.1f\" y1=\"%.1f\" x2=\"%.1f\" y2=\"%.1f\"/>", kind,
        x1, y1, x2, y2);
}

static void label(const char *kind, double x, double y, const char *text, struct bytes *page)
{
    bytes_print(page, "<text class=\"%s\" x=\"%.1f\" y=\"%.1f\">", kind, x, y);
    markup_text(page, text);
    bytes_append_text(page, "</text>\n");
}

static void mark(const struct chart_look *look, double x, double y, struct bytes *page)
{
    static const char *const paths[CHART_MARKS] = {
        "M-4,0a4,4 0 1,0 8,0a4,4 0 1,0 -8,0",
        "M-3.5,-3.5h7v7h-7z",
        "M0,-5L4.6,3.6H-4.6z",
        "M0,5L4.6,-3.6H-4.6z",
        "M0,-5.2L5.2,0L0,5.2L-5.2,0z",
        "M-5,0H5M0,-5V5",
        "M-4,-4L4,4M-4,4L4,-4",
        "M-5,0H5M-2.5,-4.3L2.5,4.3M-2.5,4.3L2.5,-4.3",
        "M-5,-3H5M-5,3H5",
    };
    bytes_print(page,
        "<path class=\"mark%s colour-%u\" transform=\"translate(%.1f,%.1f)\" d=\"%s\"",
        look->is_open ? " open" : "", look->colour, x, y, paths[look->mark]);
}

/* --- axes ------------------------------------------------------------------------------------- */

static void x_axis(const struct chart *chart, const struct scale *x, struct bytes *page)
{
    char text[32];

    for (size_t i = 0; i < chart->x_count; i++) {
        double place = scale_place(x, chart->xs[i]);
        line("grid", place, TOP, place, BOTTOM, page);
        amount_print(chart->xs[i], chart->x.unit, chart->x.is_binary, text);
        label("tick middle", place, BOTTOM + 20, text, page);
    }
    line("frame", LEFT, BOTTOM, RIGHT, BOTTOM, page);
    snprintf(text, sizeof(text), "x=\"%d\" y=\"%d\"", (LEFT + RIGHT) / 2, BOTTOM + 48);
    axis_title(&chart->x, text, page);
}

static void y_tick(
    const struct chart *chart, const struct scale *y, double value, bool named, struct bytes *page)
{
    char text[32];

    if (logarithm(value) < y->from - 1e-9 || logarithm(value) > y->to + 1e-9)
        return;
    double place = scale_place(y, value);
    line(named ? "grid" : "grid faint", LEFT, place, RIGHT, place, page);
    if (!named)
        return;
    amount_print(value, chart->y.unit, chart->y.is_binary, text);
    label("tick end", LEFT - 8, place + 4, text, page);
}

/* Each power of ten has a name; where they are few, its double and its half, too. */
static void y_axis(const struct chart *chart, const struct scale *y, struct bytes *page)
{
    bool few = y->to - y->from < 2.5;
    char text[64];

    for (int power = round_down(y->from); power <= round_down(y->to) + 1; power++)
        for (int digit = 1; digit < 10; digit++)
            y_tick(chart, y, digit * power_of_ten(power),
                digit == 1 || (few && (digit == 2 || digit == 5)), page);
    line("frame", LEFT, TOP, LEFT, BOTTOM, page);
    snprintf(text, sizeof(text), "transform=\"translate(18,%d) rotate(-90)\"", (TOP + BOTTOM) / 2);
    axis_title(&chart->y, text, page);
}

/* --- curves ----------------------------------------------------------------------------------- */

/* Where a curve ends, and where its name stands. */
struct ending {
    const struct chart_series *series;
    double x, y, name_y;
};

static void series_print(const struct chart *chart, const struct chart_series *series,
    const struct scale *x, const struct scale *y, struct bytes *page)
{
    char at[32], value[32];
    const char *joint = "M";

    bytes_print(page, "<path class=\"curve colour-%u dash-%u\" d=\"", series->look.colour,
        series->look.dash);
    for (size_t i = 0; i < chart->x_count; i++) {
        if (series->values[i] <= 0) /* what lies on both sides of it is not joined */
            joint = "M";
        else
            bytes_print(page, "%s%.1f,%.1f", joint, scale_place(x, chart->xs[i]),
                scale_place(y, series->values[i]));
        if (series->values[i] > 0)
            joint = "L";
    }
    bytes_append_text(page, "\"/>\n");
    for (size_t i = 0; i < chart->x_count; i++) {
        if (series->values[i] <= 0)
            continue;
        mark(&series->look, scale_place(x, chart->xs[i]), scale_place(y, series->values[i]), page);
        amount_print(chart->xs[i], chart->x.unit, chart->x.is_binary, at);
        amount_print(series->values[i], chart->y.unit, chart->y.is_binary, value);
        bytes_append_text(page, "><title>");
        markup_text(page, series->name);
        bytes_print(page, ", %s: %s</title></path>\n", at, value);
    }
}

static size_t endings_find(const struct chart *chart, const struct scale *x, const struct scale *y,
    struct ending endings[CHART_SERIES_MAX])
{
    size_t count = 0;

    for (size_t i = 0; i < chart->series_count; i++) {
        const struct chart_series *series = &chart->series[i];
        size_t last = chart->x_count;
        while (last > 0 && series->values[last - 1] <= 0)
            last--;
        if (last == 0)
            continue;
        double place = scale_place(y, series->values[last - 1]);
        endings[count++] = (struct ending){
            .series = series, .x = scale_place(x, chart->xs[last - 1]), .y = place, .name_y = place
        };
    }
    return count;
}

static int by_height(const void *one, const void *other)
{
    const struct ending *a = one, *b = other;
    return (a->y > b->y) - (a->y < b->y);
}

/* Names keep the order of the ends and move apart: down from the first, then up from the last. */
static void endings_spread(struct ending *endings, size_t count)
{
    double floor_y = TOP + 4, pitch = NAME_PITCH;

    if ((double)count * pitch > NAME_LAST - NAME_FIRST)
        pitch = (double)(NAME_LAST - NAME_FIRST) / (double)count;

    qsort(endings, count, sizeof(*endings), by_height);
    for (size_t i = 0; i < count; i++) {
        if (endings[i].name_y < floor_y)
            endings[i].name_y = floor_y;
        floor_y = endings[i].name_y + pitch;
    }
    double ceiling_y = NAME_LAST;
    for (size_t i = count; i-- > 0;) {
        if (endings[i].name_y > ceiling_y)
            endings[i].name_y = ceiling_y;
        ceiling_y = endings[i].name_y - pitch;
    }
}

static void legend_print(const struct ending *ending, struct bytes *page)
{
    const struct chart_look *look = &ending->series->look;
    double x = RIGHT + NAME_GAP, y = ending->name_y;

    bytes_print(page, "<path class=\"leader\" d=\"M%.1f,%.1fL%.1f,%.1fL%.1f,%.1f\"/>",
        ending->x + 6, ending->y, (double)RIGHT + 8, ending->y, x - 6, y);
    bytes_print(page, "<path class=\"curve colour-%u dash-%u\" d=\"M%.1f,%.1fh34\"/>", look->colour,
        look->dash, x, y);
    mark(look, x + 17, y, page);
    bytes_append_text(page, "/>");
    label("name", x + 42, y + 4, ending->series->name, page);
}

/* --- a chart of curves ------------------------------------------------------------------------ */

void chart_range(const struct chart *chart, double *least, double *most)
{
    for (size_t i = 0; i < chart->series_count; i++) {
        for (size_t j = 0; j < chart->x_count; j++) {
            double value = chart->series[i].values[j];
            if (value > 0 && (*least <= 0 || value < *least))
                *least = value;
            if (value > *most)
                *most = value;
        }
    }
}

/* With a little room at both ends, and never without extent. */
static struct scale y_scale(double least, double most)
{
    struct scale scale = { logarithm(least), logarithm(most), BOTTOM, TOP };
    double room = 0.04 * (scale.to - scale.from) + 0.05;

    scale.from -= room;
    scale.to += room;
    return scale;
}

static struct scale x_scale(const struct chart *chart)
{
    struct scale scale = { logarithm(chart->xs[0]), logarithm(chart->xs[chart->x_count - 1]),
        LEFT + 20, RIGHT - 20 };

    if (chart->x_count == 1) {
        scale.from -= 1;
        scale.to += 1;
    }
    return scale;
}

void chart_print(const struct chart *chart, struct bytes *page)
{
    struct ending endings[CHART_SERIES_MAX];
    double least = 0, most = 0;

    assert(chart->series_count <= CHART_SERIES_MAX && chart->x_count <= CHART_POINTS_MAX);
    chart_range(chart, &least, &most);
    if (most <= 0)
        return;
    least = chart->least > 0 && chart->least < least ? chart->least : least;
    most = chart->most > most ? chart->most : most;
    struct scale x = x_scale(chart), y = y_scale(least, most);
    svg_begin(chart->title, HEIGHT, page);
    y_axis(chart, &y, page);
    x_axis(chart, &x, page);
    size_t count = endings_find(chart, &x, &y, endings);
    endings_spread(endings, count);
    bytes_append_text(page, "<g class=\"legend\">\n");
    for (size_t i = 0; i < count; i++)
        legend_print(&endings[i], page);
    bytes_append_text(page, "</g>\n");
    for (size_t i = 0; i < chart->series_count; i++)
        series_print(chart, &chart->series[i], &x, &y, page);
    bytes_append_text(page, "</svg>\n");
}

/* --- bars ------------------------------------------------------------------------------------- */

enum { BAR_LEFT = 190, BAR_RIGHT = 620, BAR_PITCH = 28, BAR_SIZE = 17 };

/* The least of 1, 2 and 5 times a power of ten of which five or fewer make the most. */
static double bar_step(double most)
{
    double power = power_of_ten(round_down(logarithm(most / 5)));
    double digits[] = { 1, 2, 5, 10 };
    size_t i = 0;

    while (i + 1 < COUNT_OF(digits) && digits[i] * power * 5 < most * 0.999)
        i++;
    return digits[i] * power;
}

static void bar_print(
    const struct bar *bar, const struct chart_axis *axis, double unit, double y, struct bytes *page)
{
    char text[32];
    double middle = y + BAR_SIZE / 2.0, end = BAR_LEFT + bar->value * unit;

    label("name end", BAR_LEFT - 8, middle + 4, bar->name, page);
    if (bar->value <= 0) {
        label("tick", BAR_LEFT + 6, middle + 4, "not measured", page);
        return;
    }
    bytes_print(page, "<rect class=\"bar\" x=\"%d\" y=\"%.1f\" width=\"%.1f\" height=\"%d\"/>",
        BAR_LEFT, y, end - BAR_LEFT, BAR_SIZE);
    if (bar->high > bar->low) {
        double low = BAR_LEFT + bar->low * unit, high = BAR_LEFT + bar->high * unit;
        bytes_print(page, "<path class=\"spread\" d=\"M%.1f,%.1fH%.1fM%.1f,%.1fv8M%.1f,%.1fv8\"/>",
            low, middle, high, low, middle - 4, high, middle - 4);
        end = high > end ? high : end;
    }
    amount_print(bar->value, axis->unit, axis->is_binary, text);
    label("value", end + 8, middle + 4, text, page);
}

void bars_print(const char *title, const struct chart_axis *axis, const struct bar *bars,
    size_t count, struct bytes *page)
{
    double most = 0, bottom = TOP + (double)count * BAR_PITCH;
    char text[64];

    for (size_t i = 0; i < count; i++) {
        double end = bars[i].high > bars[i].value ? bars[i].high : bars[i].value;
        most = end > most ? end : most;
    }
    if (most <= 0)
        return;
    double step = bar_step(most), unit = (BAR_RIGHT - BAR_LEFT) / most;
    svg_begin(title, (int)bottom + 64, page);
    for (int i = 0; i * step <= most; i++) {
        double place = BAR_LEFT + i * step * unit;
        line("grid", place, TOP - 6, place, bottom, page);
        amount_print(i * step, i ? axis->unit : "", axis->is_binary, text);
        label("tick middle", place, bottom + 20, text, page);
    }
    for (size_t i = 0; i < count; i++)
        bar_print(&bars[i], axis, unit, TOP + (double)i * BAR_PITCH, page);
    line("frame", BAR_LEFT, TOP - 6, BAR_LEFT, bottom, page);
    snprintf(text, sizeof(text), "x=\"%d\" y=\"%.1f\"", (BAR_LEFT + BAR_RIGHT) / 2, bottom + 48);
    axis_title(axis, text, page);
    bytes_append_text(page, "</svg>\n");
}

/* --- style ------------------------------------------------------------------------------------ */

static void palette(const char *const colours[CHART_COLOURS], struct bytes *page)
{
    for (size_t i = 0; i < CHART_COLOURS; i++)
        bytes_print(page, "--colour-%zu:%s;", i, colours[i]);
}

/* The colours of Okabe and Ito, which colour-blind people can tell apart, darker on white and
 * lighter on black, so that thin lines have the contrast that text needs. */
void chart_style(struct bytes *page)
{
    static const char *const light[CHART_COLOURS] = { "#c44e00", "#0068a8", "#007a5a", "#a8437f",
        "#806600", "#0f7f9e", "#444" };
    static const char *const dark[CHART_COLOURS] = { "#ff9a4d", "#62b5f5", "#3fd3a4", "#ee9fce",
        "#f0d84a", "#6fe0f5", "#d0d0d0" };

    bytes_append_text(page, ":root{");
    palette(light, page);
    bytes_append_text(page, "}\n@media(prefers-color-scheme:dark){:root{");
    palette(dark, page);
    bytes_append_text(page, "}}\n");
    for (size_t i = 0; i < CHART_COLOURS; i++)
        bytes_print(
            page, ".colour-%zu{stroke:var(--colour-%zu);fill:var(--colour-%zu)}\n", i, i, i);
    bytes_append_text(page,
        ".chart{display:block;width:100%;max-width:46rem;height:auto}\n"
        ".chart text{font-size:13px;fill:var(--text)}\n"
        ".chart .heading{font-size:15px;font-weight:600}\n"
        ".chart .axis-title{text-anchor:middle;fill:var(--quiet)}\n"
        ".chart .tick{font-size:12px;fill:var(--quiet)}\n"
        ".middle{text-anchor:middle}.end{text-anchor:end}\n"
        ".grid{stroke:var(--grid)}.faint{opacity:.4}.frame{stroke:var(--quiet)}\n"
        ".curve{fill:none;stroke-width:2;stroke-linejoin:round}\n"
        ".dash-1{stroke-dasharray:7 4}.dash-2{stroke-dasharray:2 3}\n"
        ".mark{stroke-width:1.6}.open{fill:var(--page)}\n"
        ".leader{fill:none;stroke:var(--quiet);stroke-width:.7;opacity:.7}\n"
        ".bar{fill:var(--colour-1)}.spread{fill:none;stroke:var(--text);stroke-width:1.3}\n");
}
