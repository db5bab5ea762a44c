/* tree.c - endpoints by process.
 *
 *     nginx[120]
 *     |- 6  tcp    LISTEN  *:80
 *     `- nginx[121]
 *        `- 9  u_str  ESTAB   -  /run/php.sock  php-fpm[98]
 *
 * The tree is walked with a list of what is open at each depth, not by calls: its depth is what
 * other people's processes make it.
 *
 * Invariant: no node hangs below itself, whatever /proc has said of parents at different moments:
 * a parent did not start after its child, and among those of one tick it is looked for.
 */
#include "command/ls/tree.h"
#include "base/cleanup.h"
#include "base/proc.h"
#include "command/ls/columns.h"
#include "command/ls/rows.h"
#include "command/view/names.h"
#include "command/view/screen.h"

#include <string.h>

#define NONE SIZE_MAX

struct node {
    const struct ferry_process *process;
    size_t parent, first_child, last_child, next; /* nodes; NONE */
    size_t first_held, held_count;
    size_t child; /* the next to be printed */
};

struct held {
    const struct ferry_process *process; /* NULL: nobody */
    const struct ferry_endpoint *endpoint;
    int fd; /* the first; -1 */
};

struct tree {
    const struct ferry_endpoints *table;
    struct held *held; /* by pid, then descriptor; what nobody holds at the end */
    size_t held_count;
    struct node *nodes; /* by pid */
    size_t node_count;
    size_t *path; /* nodes, from the root to the one that is printed */
    size_t width; /* 0: lines are not cut */
    bool colour;
};

/* --- who holds what --------------------------------------------------------------------------- */

static int compare_held(const void *one, const void *other)
{
    const struct held *a = one, *b = other;

    if (a->process != b->process) {
        if (!a->process || !b->process)
            return a->process ? -1 : 1;
        return a->process->pid < b->process->pid ? -1 : 1;
    }
    return a->fd != b->fd ? (a->fd < b->fd ? -1 : 1) : 0;
}

static void held_add(struct tree *tree, const struct ferry_endpoint *endpoint)
{
    struct held *last = NULL;

    if (endpoint->owner_count == 0)
        tree->held[tree->held_count++] = (struct held){ NULL, endpoint, -1 };
    for (unsigned i = 0; i < endpoint->owner_count; i++) {
        const struct ferry_owner *owner = &endpoint->owners[i];
        if (last && last->process == owner->process)
            continue;
        last = &tree->held[tree->held_count++];
        *last = (struct held){ owner->process, endpoint, owner->fd };
    }
}

static int held_fill(struct tree *tree, const struct ferry_endpoint *const *endpoints, size_t count)
{
    size_t most = 1;

    for (size_t i = 0; i < count; i++)
        most += endpoints[i]->owner_count ? endpoints[i]->owner_count : 1;
    tree->held = calloc(most, sizeof(*tree->held));
    if (!tree->held)
        return -ENOMEM;
    for (size_t i = 0; i < count; i++)
        held_add(tree, endpoints[i]);
    qsort(tree->held, tree->held_count, sizeof(*tree->held), compare_held);
    return 0;
}

/* --- the tree --------------------------------------------------------------------------------- */

static int nodes_fill(struct tree *tree)
{
    tree->nodes = calloc(tree->held_count + 1, sizeof(*tree->nodes));
    tree->path = calloc(tree->held_count + 1, sizeof(*tree->path));
    if (!tree->nodes || !tree->path)
        return -ENOMEM;
    for (size_t i = 0; i < tree->held_count && tree->held[i].process; i++) {
        struct node *last = tree->node_count ? &tree->nodes[tree->node_count - 1] : NULL;
        if (!last || last->process != tree->held[i].process) {
            last = &tree->nodes[tree->node_count++];
            *last = (struct node){ tree->held[i].process, NONE, NONE, NONE, NONE, i, 0, NONE };
        }
        last->held_count++;
    }
    return 0;
}

static size_t node_find(const struct tree *tree, pid_t pid)
{
    size_t first = 0, end = tree->node_count;

    while (first < end) {
        size_t middle = first + (end - first) / 2;
        if (tree->nodes[middle].process->pid == pid)
            return middle;
        if (tree->nodes[middle].process->pid < pid)
            first = middle + 1;
        else
            end = middle;
    }
    return NONE;
}

/* Of a process that holds nothing, and so is not in the table; 0: unknown. */
static pid_t parent_of(const struct ferry_endpoints *table, pid_t pid)
{
    const struct ferry_process *known = ferry_endpoints_find_process(table, pid);
    struct proc_stat stat;

    if (known)
        return known->parent;
    AUTO_FD int folder = proc_open(pid);
    return proc_stat_read(folder, &stat) == 0 ? stat.parent : 0;
}

/* As many steps up as there may be generations of processes; a way round ends there too. */
static size_t forefather(const struct tree *tree, const struct ferry_process *process)
{
    enum { GENERATIONS_MAX = 1024 };
    pid_t pid = process->parent;

    for (int i = 0; pid > 0 && i < GENERATIONS_MAX; i++) {
        size_t found = node_find(tree, pid);
        if (found != NONE)
            return tree->nodes[found].process->start_ticks <= process->start_ticks ? found : NONE;
        pid = parent_of(tree->table, pid);
    }
    return NONE;
}

/* Whether `above` hangs below `node` already. Only those of one tick can go round. */
static bool is_below(const struct tree *tree, size_t above, size_t node)
{
    uint64_t ticks = tree->nodes[node].process->start_ticks;

    while (above != NONE && tree->nodes[above].process->start_ticks == ticks) {
        if (above == node)
            return true;
        above = tree->nodes[above].parent;
    }
    return false;
}

static void nodes_link(struct tree *tree)
{
    for (size_t i = 0; i < tree->node_count; i++) {
        struct node *node = &tree->nodes[i];
        size_t above = forefather(tree, node->process);
        if (above == NONE || is_below(tree, above, i))
            continue;
        node->parent = above;
        struct node *parent = &tree->nodes[node->parent];
        if (parent->last_child == NONE)
            parent->first_child = parent->child = i;
        else
            tree->nodes[parent->last_child].next = i;
        parent->last_child = i;
    }
}

/* --- printing --------------------------------------------------------------------------------- */

#define BAR    "\u2502  "
#define BRANCH "\u251c\u2500 "
#define LAST   "\u2514\u2500 "

/* The strokes left of what stands below path[depth]. */
static void print_strokes(const struct tree *tree, size_t depth, struct bytes *text)
{
    for (size_t i = 1; i <= depth; i++)
        bytes_append_text(text, tree->nodes[tree->path[i]].next != NONE ? BAR : "   ");
}

static void print_padded(struct bytes *text, const char *word, size_t width)
{
    bytes_append_text(text, word);
    for (size_t size = strlen(word); size < width; size++)
        bytes_append_char(text, ' ');
}

static void print_cell(const char *name, const struct ferry_endpoint *endpoint, struct bytes *text)
{
    ls_cell_print(ls_column_find(name, strlen(name)), endpoint, text);
}

/* Its two addresses and who is there, in what room is left of the screen. */
static void print_addresses(
    const struct tree *tree, const struct ferry_endpoint *endpoint, size_t used, struct bytes *text)
{
    AUTO_BYTES struct bytes rest = BYTES_EMPTY;
    size_t room = tree->width > used + LS_CUT_WIDTH_MIN ? tree->width - used : LS_CUT_WIDTH_MIN;

    print_cell("local", endpoint, &rest);
    bytes_append_text(&rest, "  ");
    print_cell("remote", endpoint, &rest);
    bytes_append_text(&rest, "  ");
    print_cell("peer", endpoint, &rest);
    if (bytes_failed(&rest))
        text->failed = true;
    else
        view_append_cut(text, rest.data, rest.size, tree->width ? room : SIZE_MAX);
}

static void print_held(
    const struct tree *tree, size_t depth, bool last, const struct held *held, struct bytes *text)
{
    const struct ferry_endpoint *endpoint = held->endpoint;
    const char *colour = tree->colour ? view_state_colour(endpoint) : NULL;
    enum { FD_WIDTH = 4, KIND_WIDTH = 7, STATE_WIDTH = 11 };
    char fd[16] = "-";

    print_strokes(tree, depth, text);
    bytes_append_text(text, last ? LAST : BRANCH);
    if (held->fd >= 0)
        snprintf(fd, sizeof(fd), "%d", held->fd);
    print_padded(text, fd, FD_WIDTH);
    bytes_append_char(text, ' ');
    print_padded(text, ferry_endpoint_kind_name(endpoint->kind), KIND_WIDTH);
    bytes_append_text(text, colour ? colour : "");
    print_padded(text, ferry_endpoint_state_name(endpoint->state), STATE_WIDTH);
    bytes_append_text(text, colour ? VIEW_PLAIN : "");
    print_addresses(tree, endpoint, 3 * depth + 4 + FD_WIDTH + KIND_WIDTH + STATE_WIDTH, text);
    bytes_append_char(text, '\n');
}

static void print_process(const struct tree *tree, size_t depth, struct bytes *text)
{
    const struct node *node = &tree->nodes[tree->path[depth]];

    if (depth > 0) {
        print_strokes(tree, depth - 1, text);
        bytes_append_text(text, node->next != NONE ? BRANCH : LAST);
    }
    bytes_append_text(text, tree->colour ? VIEW_BOLD : "");
    view_print_process(node->process, text);
    bytes_append_text(text, tree->colour ? VIEW_PLAIN : "");
    bytes_append_char(text, '\n');
    for (size_t i = 0; i < node->held_count; i++)
        print_held(tree, depth, i + 1 == node->held_count && node->first_child == NONE,
            &tree->held[node->first_held + i], text);
}

static int write_some(struct bytes *text)
{
    return text->size >= LS_WRITE_SIZE ? ls_write(text) : 0;
}

/* The root's, and all below it. */
static int print_family(struct tree *tree, size_t root, struct bytes *text)
{
    size_t depth = 0;
    int code = 0;

    tree->path[0] = root;
    print_process(tree, 0, text);
    while (code == 0) {
        struct node *node = &tree->nodes[tree->path[depth]];
        if (node->child == NONE) {
            if (depth-- == 0)
                break;
            continue;
        }
        tree->path[++depth] = node->child;
        node->child = tree->nodes[node->child].next;
        print_process(tree, depth, text);
        code = write_some(text);
    }
    return code;
}

static int print_unheld(struct tree *tree, struct bytes *text)
{
    size_t first = tree->held_count;
    int code = 0;

    while (first > 0 && !tree->held[first - 1].process)
        first--;
    if (first < tree->held_count)
        bytes_append_text(text, "(held by nobody who can be seen)\n");
    for (size_t i = first; i < tree->held_count && code == 0; i++) {
        print_held(tree, 0, i + 1 == tree->held_count, &tree->held[i], text);
        code = write_some(text);
    }
    return code;
}

static int tree_print(struct tree *tree)
{
    AUTO_BYTES struct bytes text = BYTES_EMPTY;
    int code = 0;

    for (size_t i = 0; i < tree->node_count && code == 0; i++)
        if (tree->nodes[i].parent == NONE)
            code = print_family(tree, i, &text);
    if (code == 0)
        code = print_unheld(tree, &text);
    return code < 0 ? code : ls_write(&text);
}

int ls_tree_print(const struct ferry_endpoints *table,
    const struct ferry_endpoint *const *endpoints, size_t count, size_t width, bool colour)
{
    struct tree tree = { .table = table, .width = width, .colour = colour };
    int code = held_fill(&tree, endpoints, count);

    if (code == 0)
        code = nodes_fill(&tree);
    if (code == 0) {
        nodes_link(&tree);
        code = tree_print(&tree);
    }
    free(tree.held);
    free(tree.nodes);
    free(tree.path);
    return code;
}
