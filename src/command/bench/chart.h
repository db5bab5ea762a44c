/* chart.h - charts as inline SVG: curves over logarithmic axes, and bars.
 *
 * Where a chart stands its page has the style sheet chart_style(), which knows light and dark.
 * Nothing is told by colour alone: each curve has a mark and a dash of its own, and its name stands
 * at its end.
 */
#ifndef FERRY_COMMAND_BENCH_CHART_H
#define FERRY_COMMAND_BENCH_CHART_H

#include "base/bytes.h"

enum { CHART_POINTS_MAX = 16, CHART_SERIES_MAX = 24, CHART_COLOURS = 7, CHART_MARKS = 9 };

/* What is along it, and in what: "Round trip, median", "s". */
struct chart_axis {
    const char *title, *unit;
    bool is_binary; /* powers of two: bytes */
};

struct chart_look {
    unsigned colour; /* of CHART_COLOURS; those of one family share one */
    unsigned dash;   /* 0: none, to 2 */
    unsigned mark;   /* of CHART_MARKS */
    bool is_open;    /* the mark */
};

/* A value of 0 is none: where it was not measured, or there was nothing. */
struct chart_series {
    char name[32];
    struct chart_look look;
    double values[CHART_POINTS_MAX];
};

struct chart {
    const char *title;
    struct chart_axis x, y;
    double xs[CHART_POINTS_MAX];
    size_t x_count;
    struct chart_series series[CHART_SERIES_MAX];
    size_t series_count;
    double least, most; /* what the y axis must reach from and to; 0: as the values are */
};

/* The least and the most of all values, where *least and *most are not so already; 0: none yet. */
void chart_range(const struct chart *chart, double *least, double *most);
/* Appends an <svg>; nothing where no curve has a value. */
void chart_print(const struct chart *chart, struct bytes *page);

struct bar {
    const char *name;
    double value, low, high; /* low and high: how far the slices lie apart */
};

/* Appends an <svg> of horizontal bars from 0. */
void bars_print(const char *title, const struct chart_axis *axis, const struct bar *bars,
    size_t count, struct bytes *page);

/* Appends what a style sheet needs for charts. */
void chart_style(struct bytes *page);

#endif
