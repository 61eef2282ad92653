// Makes one call of the system fail in a process that is told to, for tests. Loaded before the C library:
//   cc -shared -fPIC -O1 -o inject.so inject.c -ldl;  LD_PRELOAD=inject.so program
// Only calls on files under a folder count, which the process names when it arms the fault.
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static char under[4096];
static const char *kind = "";
static long at, seen;
static int number, brief;
static char watched[4096]; // by descriptor: whether it is of a file under the folder

// The at-th call of this kind under this folder fails with an errno, or writes half if `half`; with at = 0 none does.
void fault_arm(const char *folder, const char *call, long k, int error, int half) {
    snprintf(under, sizeof under, "%s", folder);
    kind = strdup(call), at = k, seen = 0, number = error, brief = half;
}

long fault_seen(void) { return seen; }

static int is_under(const char *path) { return *under && path && !strncmp(path, under, strlen(under)); }
static int is_watched(int file) { return *under && file >= 0 && file < 4096 && watched[file]; }
static void watch(int file, int yes) { if (file >= 0 && file < 4096) watched[file] = (char)yes; }

static int fails(const char *call) {
    if (strcmp(call, kind) || ++seen != at) return 0;
    errno = number;
    return 1;
}

#define REAL(name) __typeof__(&name) real = (__typeof__(&name))dlsym(RTLD_NEXT, #name)
#define OPENER(name)                                                                         \
    int name(const char *path, int flags, ...) {                                            \
        REAL(name);                                                                         \
        va_list list;                                                                       \
        va_start(list, flags);                                                              \
        const int mode = va_arg(list, int);                                                 \
        va_end(list);                                                                       \
        if (is_under(path) && fails("open")) return -1;                                     \
        const int file = real(path, flags, mode);                                           \
        watch(file, is_under(path));                                                        \
        return file;                                                                        \
    }
OPENER(open)
OPENER(open64)

#define STREAM(name)                                                                         \
    FILE *name(const char *path, const char *mode) {                                        \
        REAL(name);                                                                         \
        if (is_under(path) && fails("open")) return NULL;                                   \
        FILE *stream = real(path, mode);                                                    \
        if (stream) watch(fileno(stream), is_under(path));                                  \
        return stream;                                                                      \
    }
STREAM(fopen)
STREAM(fopen64)

ssize_t write(int file, const void *content, size_t size) {
    REAL(write);
    if (is_watched(file) && fails("write")) {
        if (!brief) return -1;
        const size_t some = size > 1 ? size / 2 : size; // a short write is no error, and has to be gone on with
        return real(file, content, some);
    }
    return real(file, content, size);
}

ssize_t read(int file, void *content, size_t size) {
    REAL(read);
    if (is_watched(file) && fails("read")) return -1;
    return real(file, content, size);
}

int fsync(int file) {
    REAL(fsync);
    return is_watched(file) && fails("fsync") ? -1 : real(file);
}

int close(int file) {
    REAL(close);
    const int bad = is_watched(file) && fails("close"), error = errno;
    watch(file, 0);
    const int status = real(file); // a failed close has closed all the same
    return bad ? (errno = error, -1) : status;
}

int rename(const char *from, const char *to) {
    REAL(rename);
    return is_under(from) && fails("rename") ? -1 : real(from, to);
}

int renameat2(int a, const char *from, int b, const char *to, unsigned flags) {
    REAL(renameat2);
    return is_under(from) && fails("rename") ? -1 : real(a, from, b, to, flags);
}

int mkdir(const char *path, mode_t mode) {
    REAL(mkdir);
    return is_under(path) && fails("mkdir") ? -1 : real(path, mode);
}
