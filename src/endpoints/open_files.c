/* open_files.c - the program that the kernel runs for each open file, and its answers.
 *
 * It is some sixty instructions, with the offsets of this kernel's own structs in them, and copies
 * what it finds into an answer that is read like a file. The verifier proves it harmless, and
 * refuses it where a field is not of the size we take it for.
 *
 * What it says of one descriptor of our own is compared with fstat(2): so neither a struct that is
 * not the one we mean, nor a pid namespace whose numbers are not the kernel's, can make us show
 * what is not so.
 */
#include "endpoints/open_files.h"
#include "base/bytes.h"
#include "base/cleanup.h"
#include "base/proc.h"
#include "endpoints/device.h"
#include "endpoints/kernel_types.h"
#include "endpoints/limits.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/bpf.h>
#include <stdbool.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>

/* --- the program ------------------------------------------------------------------------------ */

enum field {
    TASK_PID,
    TASK_TGID,
    TASK_START,
    TASK_PARENT,
    TASK_NAME,
    TASK_PROXY,
    PROXY_NETWORK,
    NETWORK_COMMON,
    COMMON_INODE,
    FILE_MODE,
    FILE_INODE,
    INODE_MODE,
    INODE_NUMBER,
    INODE_SUPER,
    SUPER_DEVICE,
    FIELD_COUNT
};

static const struct kernel_field kernel_fields[FIELD_COUNT] = {
    [TASK_PID] = { "task_struct", "pid", -1 },
    [TASK_TGID] = { "task_struct", "tgid", -1 },
    [TASK_START] = { "task_struct", "start_boottime", -1 },
    [TASK_PARENT] = { "task_struct", "real_parent", -1 },
    [TASK_NAME] = { "task_struct", "comm", -1 },
    [TASK_PROXY] = { "task_struct", "nsproxy", -1 },
    [PROXY_NETWORK] = { "nsproxy", "net_ns", -1 },
    [NETWORK_COMMON] = { "net", "ns", -1 },
    [COMMON_INODE] = { "ns_common", "inum", -1 },
    [FILE_MODE] = { "file", "f_mode", -1 },
    [FILE_INODE] = { "file", "f_inode", -1 },
    [INODE_MODE] = { "inode", "i_mode", -1 },
    [INODE_NUMBER] = { "inode", "i_ino", -1 },
    [INODE_SUPER] = { "inode", "i_sb", -1 },
    [SUPER_DEVICE] = { "super_block", "s_dev", -1 },
};

/* struct bpf_iter__task_file and bpf_iter_meta, the same in every kernel: the program's argument.
 */
enum { CONTEXT_META = 0, CONTEXT_TASK = 8, CONTEXT_FD = 16, CONTEXT_FILE = 24, META_ANSWER = 0 };

/* What holds what while it runs; 0 to 5 are the calls'. */
enum { CONTEXT = BPF_REG_6, TASK = BPF_REG_7, OPENED = BPF_REG_8, OTHER = BPF_REG_9 };

struct program {
    struct bpf_insn code[PROGRAM_SIZE_MAX];
    unsigned count;
};

static struct bpf_insn *add(struct program *program, unsigned code)
{
    struct bpf_insn *next = &program->code[program->count++];
    *next = (struct bpf_insn){ .code = (unsigned char)code };
    return next;
}

static void load(struct program *program, unsigned size, unsigned to, unsigned from, int offset)
{
    struct bpf_insn *next = add(program, BPF_LDX | BPF_MEM | size);
    next->dst_reg = to & 0xf;
    next->src_reg = from & 0xf;
    next->off = (int16_t)offset;
}

static void move(struct program *program, unsigned to, unsigned from)
{
    struct bpf_insn *next = add(program, BPF_ALU64 | BPF_MOV | BPF_X);
    next->dst_reg = to & 0xf;
    next->src_reg = from & 0xf;
}

static void set(struct program *program, unsigned to, int number)
{
    struct bpf_insn *next = add(program, BPF_ALU64 | BPF_MOV | BPF_K);
    next->dst_reg = to & 0xf;
    next->imm = number;
}

/* Into the record, which lies at the end of the stack. */
static void store(struct program *program, unsigned size, size_t place)
{
    struct bpf_insn *next = add(program, BPF_STX | BPF_MEM | size);
    next->dst_reg = BPF_REG_10;
    next->src_reg = BPF_REG_0;
    next->off = (int16_t)((int)place - (int)sizeof(struct open_file));
}

static void copy(struct program *program, unsigned size, unsigned from, int offset, size_t place)
{
    load(program, size, BPF_REG_0, from, offset);
    store(program, size, place);
}

static void end(struct program *program)
{
    set(program, BPF_REG_0, 0);
    add(program, BPF_JMP | BPF_EXIT);
}

/* Ends here if the register is 0. */
static void end_without(struct program *program, unsigned what)
{
    struct bpf_insn *next = add(program, BPF_JMP | BPF_JNE | BPF_K);
    next->dst_reg = what & 0xf;
    next->off = 2;
    end(program);
}

/* Ends here for a thread that is not its process's first: descriptors of its own, which it may
 * have (unshare(2)), /proc/PID/fd does not show either. */
static void end_unless_first(struct program *program, const struct kernel_field *fields)
{
    load(program, BPF_W, BPF_REG_0, TASK, fields[TASK_PID].offset);
    load(program, BPF_W, BPF_REG_1, TASK, fields[TASK_TGID].offset);
    struct bpf_insn *next = add(program, BPF_JMP | BPF_JEQ | BPF_X);
    next->dst_reg = BPF_REG_0;
    next->src_reg = BPF_REG_1;
    next->off = 2;
    end(program);
}

#define PLACE(member) offsetof(struct open_file, member)

static void task_copy(struct program *program, const struct kernel_field *fields)
{
    const int common = fields[NETWORK_COMMON].offset + fields[COMMON_INODE].offset;

    copy(program, BPF_W, TASK, fields[TASK_TGID].offset, PLACE(pid));
    copy(program, BPF_DW, TASK, fields[TASK_START].offset, PLACE(start_ns));
    load(program, BPF_DW, OTHER, TASK, fields[TASK_PARENT].offset);
    copy(program, BPF_W, OTHER, fields[TASK_TGID].offset, PLACE(parent));
    load(program, BPF_DW, OTHER, TASK, fields[TASK_PROXY].offset);
    load(program, BPF_DW, OTHER, OTHER, fields[PROXY_NETWORK].offset);
    copy(program, BPF_W, OTHER, common, PLACE(network));
    for (int at = 0; at < (int)sizeof(((struct open_file *)0)->name); at += 8)
        copy(program, BPF_DW, TASK, fields[TASK_NAME].offset + at, PLACE(name) + (size_t)at);
}

static void file_copy(struct program *program, const struct kernel_field *fields)
{
    load(program, BPF_W, BPF_REG_0, OPENED, fields[FILE_MODE].offset);
    store(program, BPF_H, PLACE(access));
    load(program, BPF_DW, OTHER, OPENED, fields[FILE_INODE].offset);
    copy(program, BPF_DW, OTHER, fields[INODE_NUMBER].offset, PLACE(inode));
    copy(program, BPF_H, OTHER, fields[INODE_MODE].offset, PLACE(mode));
    load(program, BPF_DW, OTHER, OTHER, fields[INODE_SUPER].offset);
    copy(program, BPF_W, OTHER, fields[SUPER_DEVICE].offset, PLACE(device));
}

/* bpf_seq_write(answer, record, size): bpf-helpers(7). */
static void answer(struct program *program)
{
    load(program, BPF_DW, BPF_REG_1, CONTEXT, CONTEXT_META);
    load(program, BPF_DW, BPF_REG_1, BPF_REG_1, META_ANSWER);
    move(program, BPF_REG_2, BPF_REG_10);
    struct bpf_insn *next = add(program, BPF_ALU64 | BPF_ADD | BPF_K);
    next->dst_reg = BPF_REG_2;
    next->imm = -(int)sizeof(struct open_file);
    set(program, BPF_REG_3, sizeof(struct open_file));
    add(program, BPF_JMP | BPF_CALL)->imm = BPF_FUNC_seq_write;
}

static void program_write(struct program *program, const struct kernel_field *fields)
{
    move(program, CONTEXT, BPF_REG_1);
    load(program, BPF_DW, TASK, CONTEXT, CONTEXT_TASK);
    load(program, BPF_DW, OPENED, CONTEXT, CONTEXT_FILE);
    end_without(program, TASK); /* both, when all have been told */
    end_without(program, OPENED);
    end_unless_first(program, fields);
    task_copy(program, fields);
    copy(program, BPF_W, CONTEXT, CONTEXT_FD, PLACE(fd));
    file_copy(program, fields);
    answer(program);
    end(program);
}

/* --- running it ------------------------------------------------------------------------------- */

/* bpf(2), which has no wrapper. Returns a descriptor, -errno. */
static int bpf(int command, union bpf_attr *attributes)
{
    long fd = syscall(SYS_bpf, command, attributes, sizeof(*attributes));
    return fd < 0 ? -errno : (int)fd;
}

/* The program in the kernel; -errno. The licence is asked for by the call it makes. */
static int program_load(const struct program *program, uint32_t function)
{
    static const char licence[] = "Dual MIT/GPL";
    union bpf_attr attributes = { .prog_type = BPF_PROG_TYPE_TRACING,
        .insns = (uint64_t)(uintptr_t)program->code,
        .insn_cnt = program->count,
        .license = (uint64_t)(uintptr_t)licence,
        .prog_name = "ferry_files",
        .expected_attach_type = BPF_TRACE_ITER,
        .attach_btf_id = function };

    return bpf(BPF_PROG_LOAD, &attributes);
}

/* A descriptor that the answers are read from; -errno. All three live as long as it does. */
static int answers_open(void)
{
    struct kernel_field fields[FIELD_COUNT];
    struct program program = { 0 };
    union bpf_attr linked = { 0 }, made = { 0 };
    uint32_t function;

    if (proc_is_filtered())
        return -EPERM;
    memcpy(fields, kernel_fields, sizeof(fields));
    int code = kernel_types_find_running(fields, FIELD_COUNT, "bpf_iter_task_file", &function);
    if (code < 0)
        return code;
    program_write(&program, fields);
    AUTO_FD int loaded = program_load(&program, function);
    if (loaded < 0)
        return loaded;
    linked.link_create.prog_fd = (uint32_t)loaded;
    linked.link_create.attach_type = BPF_TRACE_ITER;
    AUTO_FD int link = bpf(BPF_LINK_CREATE, &linked);
    if (link < 0)
        return link;
    made.iter_create.link_fd = (uint32_t)link;
    return bpf(BPF_ITER_CREATE, &made);
}

/* Whether what is told of the descriptor `known` of our own is so. */
static bool is_true(const struct open_file *file, int known, const struct stat *status)
{
    return file->fd == (uint32_t)known && file->inode == status->st_ino &&
           file->mode == (status->st_mode & 0xffff) && device_of(file->device) == status->st_dev &&
           (file->access & 3) == 1;
}

/* Returns 1; 0: nothing true was told of `known`; -errno. */
static int answers_read(int answers, int known, open_file_take take, void *data)
{
    AUTO_FREE struct open_file *files = calloc(OPEN_FILES_BATCH, sizeof(*files));
    uint32_t own = (uint32_t)getpid();
    struct stat status;
    bool true_ = false;

    if (!files)
        return -ENOMEM;
    if (fstat(known, &status) < 0)
        return -errno;
    for (;;) {
        ssize_t size = read(answers, files, OPEN_FILES_BATCH * sizeof(*files));
        if (size < 0 && (errno == EINTR || errno == EAGAIN))
            continue;
        if (size <= 0)
            return size < 0 ? -errno : true_;
        /* Records come whole: each is written at once, or not. */
        for (size_t i = 0; i < (size_t)size / sizeof(*files); i++) {
            true_ |= files[i].pid == own && is_true(&files[i], known, &status);
            int code = take(&files[i], data);
            if (code < 0)
                return code;
        }
    }
}

int open_files_each(open_file_take take, void *data)
{
    AUTO_FD int known = open("/proc/self/comm", O_RDONLY | O_CLOEXEC);
    AUTO_FD int answers = known < 0 ? -errno : answers_open();
    int code = answers < 0 ? answers : answers_read(answers, known, take, data);

    return code == 0 ? -ENOTSUP : code < 0 ? code : 0;
}

uint64_t open_file_start_ticks(const struct open_file *file)
{
    return file->start_ns / (UINT64_C(1000000000) / (uint64_t)sysconf(_SC_CLK_TCK));
}
