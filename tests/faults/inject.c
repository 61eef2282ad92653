// Makes one call of the system fail in a process that is told to, for tests. Loaded before the C library:
//   cc -shared -fPIC -O1 -o inject.so inject.c -ldl;  LD_PRELOAD=inject.so program
// Only calls on files under a folder count, which the process names when it arms the fault. The kind "appear" is no call:
// the process is killed as soon as the k-th new name is there. And a clock may be made to run backwards.
#define _GNU_SOURCE
#include <dirent.h>
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

static char under[4096];
static const char *const kinds[] = {"open", "write", "read", "fsync", "rename", "mkdir", "close", "appear"};
static long seen[8], at;
static int armed = -1, number, brief;
static char watched[4096]; // by descriptor: whether it is of a file under the folder

static int kind_of(const char *call) {
    for (int i = 0; i < 8; i++)
        if (!strcmp(call, kinds[i])) return i;
    abort();
}

// The at-th call of this kind under this folder fails with an errno, or writes half if `half`; with at = 0 none does.
void fault_arm(const char *folder, const char *call, long k, int error, int half) {
    snprintf(under, sizeof under, "%s", folder);
    memset(seen, 0, sizeof seen);
    armed = kind_of(call), at = k, number = error, brief = half;
}

// How many calls of a kind there were since then.
long fault_seen(const char *call) { return seen[kind_of(call)]; }

static int is_under(const char *path) { return *under && path && !strncmp(path, under, strlen(under)); }
static int is_watched(int file) { return *under && file >= 0 && file < 4096 && watched[file]; }
static void watch(int file, int yes) { if (file >= 0 && file < 4096) watched[file] = (char)yes; }

static int fails(const char *call) {
    const int kind = kind_of(call);
    if (++seen[kind] != at || kind != armed) return 0;
    errno = number;
    return 1;
}

// Whether a name is not there yet, so that making it may count; and the moment after it was made.
static int is_new(const char *path) {
    const int error = errno, found = is_under(path) && access(path, F_OK);
    errno = error;
    return found;
}

static void appeared(int there) {
    if (there && ++seen[kind_of("appear")] == at && armed == kind_of("appear")) kill(getpid(), SIGKILL);
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
        const int fresh = (flags & O_CREAT) && is_new(path), file = real(path, flags, mode); \
        watch(file, is_under(path));                                                        \
        appeared(fresh && file >= 0);                                                       \
        return file;                                                                        \
    }
OPENER(open)
OPENER(open64)

#define STREAM(name)                                                                         \
    FILE *name(const char *path, const char *mode) {                                        \
        REAL(name);                                                                         \
        if (is_under(path) && fails("open")) return NULL;                                   \
        const int fresh = *mode != 'r' && is_new(path);                                     \
        FILE *stream = real(path, mode);                                                    \
        if (stream) watch(fileno(stream), is_under(path));                                  \
        appeared(fresh && stream);                                                          \
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

ssize_t pread64(int file, void *content, size_t size, off64_t place) {
    REAL(pread64);
    return is_watched(file) && fails("read") ? -1 : real(file, content, size, place);
}

ssize_t preadv64v2(int file, const struct iovec *parts, int count, off64_t place, int flags) {
    REAL(preadv64v2);
    return is_watched(file) && fails("read") ? -1 : real(file, parts, count, place, flags);
}

DIR *opendir(const char *path) {
    REAL(opendir);
    return is_under(path) && fails("open") ? NULL : real(path);
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
    if (is_under(from) && fails("rename")) return -1;
    const int status = real(from, to);
    appeared(!status && is_under(to));
    return status;
}

int renameat2(int a, const char *from, int b, const char *to, unsigned flags) {
    REAL(renameat2);
    if (is_under(from) && fails("rename")) return -1;
    const int status = real(a, from, b, to, flags);
    appeared(!status && is_under(to));
    return status;
}

int mkdir(const char *path, mode_t mode) {
    REAL(mkdir);
    if (is_under(path) && fails("mkdir")) return -1;
    const int status = real(path, mode);
    appeared(!status && is_under(path));
    return status;
}

// After every so many looks at the clock it is so many seconds earlier than it was.
static long every, back, looks;
void fault_clock(long each, long seconds) { every = each, back = seconds, looks = 0; }
static long behind(void) { return every ? ++looks / every * back : 0; }

int clock_gettime(clockid_t clock, struct timespec *now) {
    REAL(clock_gettime);
    const int status = real(clock, now);
    if (clock == CLOCK_REALTIME) now->tv_sec -= behind();
    return status;
}

int gettimeofday(struct timeval *restrict now, void *restrict zone) {
    REAL(gettimeofday);
    const int status = real(now, zone);
    now->tv_sec -= behind();
    return status;
}

time_t time(time_t *now) {
    REAL(time);
    const time_t found = real(NULL) - behind();
    if (now) *now = found;
    return found;
}
