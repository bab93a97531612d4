/* Makes the n-th change of a file below a folder fail, or kills the process there: LD_PRELOAD=faults.so.

   A change is a write, truncate, sync, rename, link, unlink, mkdir, or an open that makes a file. Counted are those of
   paths that begin with what `faults_arm` was given. A write that fails has written its first half. */

#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/types.h>
#include <unistd.h>

static char below[4096];
static long left, count, many;
static int error; /* 0: SIGKILL */
static char what[64];

/* From the n-th change on, `times` of them fail with `code`. */
void faults_arm(const char *folder, long nth, long times, int code) {
    snprintf(below, sizeof below, "%s", folder);
    count = 0, left = nth, many = times, error = code, what[0] = 0;
}
long faults_count(void) { return count; }
const char *faults_what(void) { return what; }

static int due(const char *call, const char *path) {
    if (!below[0] || !path || strncmp(path, below, strlen(below)) != 0) return 0;
    long now = __atomic_add_fetch(&count, 1, __ATOMIC_SEQ_CST);
    if (now < left || now >= left + many) return 0;
    if (!error) {
        kill(getpid(), SIGKILL);
        pause();
    }
    if (!what[0]) snprintf(what, sizeof what, "%s %s", call, strrchr(path, '/') ? strrchr(path, '/') : path);
    return 1;
}

static int due_fd(const char *call, int fd) {
    char link[64], path[4096];
    if (!below[0]) return 0;
    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    ssize_t size = readlink(link, path, sizeof path - 1);
    if (size < 0) return 0;
    path[size] = 0;
    return due(call, path);
}

#define REAL(name) __typeof__(&name) real = (__typeof__(&name))dlsym(RTLD_NEXT, #name)
#define FAIL return errno = error, -1

ssize_t write(int fd, const void *data, size_t size) {
    REAL(write);
    if (due_fd("write", fd)) { real(fd, data, size / 2); FAIL; }
    return real(fd, data, size);
}
ssize_t pwrite(int fd, const void *data, size_t size, off_t at) {
    REAL(pwrite);
    if (due_fd("pwrite", fd)) { real(fd, data, size / 2, at); FAIL; }
    return real(fd, data, size, at);
}
ssize_t pwrite64(int fd, const void *data, size_t size, off64_t at) {
    REAL(pwrite64);
    if (due_fd("pwrite", fd)) { real(fd, data, size / 2, at); FAIL; }
    return real(fd, data, size, at);
}
int fsync(int fd) { REAL(fsync); if (due_fd("fsync", fd)) FAIL; return real(fd); }
int fdatasync(int fd) { REAL(fdatasync); if (due_fd("fdatasync", fd)) FAIL; return real(fd); }
int ftruncate(int fd, off_t size) { REAL(ftruncate); if (due_fd("ftruncate", fd)) FAIL; return real(fd, size); }
int ftruncate64(int fd, off64_t size) { REAL(ftruncate64); if (due_fd("ftruncate", fd)) FAIL; return real(fd, size); }
int unlink(const char *path) { REAL(unlink); if (due("unlink", path)) FAIL; return real(path); }
int rename(const char *from, const char *to) { REAL(rename); if (due("rename", from)) FAIL; return real(from, to); }
int link(const char *from, const char *to) { REAL(link); if (due("link", to)) FAIL; return real(from, to); }
int mkdir(const char *path, mode_t mode) { REAL(mkdir); if (due("mkdir", path)) FAIL; return real(path, mode); }

static int makes(int flags) { return flags & O_CREAT; }
int open(const char *path, int flags, ...) {
    va_list more;
    va_start(more, flags);
    mode_t mode = va_arg(more, mode_t);
    va_end(more);
    REAL(open);
    if (makes(flags) && due("open", path)) FAIL;
    return real(path, flags, mode);
}
int open64(const char *path, int flags, ...) {
    va_list more;
    va_start(more, flags);
    mode_t mode = va_arg(more, mode_t);
    va_end(more);
    REAL(open64);
    if (makes(flags) && due("open", path)) FAIL;
    return real(path, flags, mode);
}
