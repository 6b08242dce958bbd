/* Preloaded before the target: a disk, or a network share, that fails as the environment says.
 *
 * NO_CHMOD=1      chmod fails with EPERM, as on a CIFS share
 * NO_LOCK=errno   file locks fail with this errno: ENOLCK and EOPNOTSUPP on an NFS share
 * FULL_AT=bytes   writes to files fail with ENOSPC once so many bytes were written,
 *                 to files with FULL_FILE in their path if that is given
 * NO_FSYNC_AT=n   the n-th fsync and all after it fail with EIO
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/types.h>
#include <unistd.h>

#define REAL(name) ((__typeof__(&name)) dlsym(RTLD_NEXT, #name))

static long number(const char *name) {
    const char *value = getenv(name);
    return value ? atol(value) : 0;
}

static int fail(int error) {
    errno = error;
    return -1;
}

int chmod(const char *path, mode_t mode) {
    return number("NO_CHMOD") ? fail(EPERM) : REAL(chmod)(path, mode);
}

int fchmod(int file, mode_t mode) {
    return number("NO_CHMOD") ? fail(EPERM) : REAL(fchmod)(file, mode);
}

static int is_lock(int command) {
    return command == F_SETLK || command == F_SETLKW || command == F_GETLK;
}

int fcntl(int file, int command, ...) {
    va_list rest;
    va_start(rest, command);
    void *argument = va_arg(rest, void *);
    va_end(rest);
    if (is_lock(command) && number("NO_LOCK")) return fail((int) number("NO_LOCK"));
    return REAL(fcntl)(file, command, argument);
}

int fcntl64(int file, int command, ...) {
    va_list rest;
    va_start(rest, command);
    void *argument = va_arg(rest, void *);
    va_end(rest);
    if (is_lock(command) && number("NO_LOCK")) return fail((int) number("NO_LOCK"));
    return REAL(fcntl64)(file, command, argument);
}

static int is_another(int file) {
    char link[32], path[4096];
    const char *wanted = getenv("FULL_FILE");
    snprintf(link, sizeof link, "/proc/self/fd/%d", file);
    ssize_t length = readlink(link, path, sizeof path - 1);
    path[length < 0 ? 0 : length] = 0;
    return wanted && !strstr(path, wanted);
}

static int is_full(int file, size_t count) {
    static long written;
    struct stat status;
    if (!number("FULL_AT") || fstat(file, &status) || !S_ISREG(status.st_mode)) return 0;
    if (is_another(file)) return 0;
    if (written + (long) count > number("FULL_AT")) return 1;
    written += (long) count;
    return 0;
}

ssize_t write(int file, const void *content, size_t count) {
    return is_full(file, count) ? fail(ENOSPC) : REAL(write)(file, content, count);
}

ssize_t pwrite(int file, const void *content, size_t count, off_t offset) {
    return is_full(file, count) ? fail(ENOSPC) : REAL(pwrite)(file, content, count, offset);
}

ssize_t pwrite64(int file, const void *content, size_t count, off64_t offset) {
    return is_full(file, count) ? fail(ENOSPC) : REAL(pwrite64)(file, content, count, offset);
}

static int is_broken(void) {
    static long done;
    return number("NO_FSYNC_AT") && ++done >= number("NO_FSYNC_AT");
}

int fsync(int file) {
    return is_broken() ? fail(EIO) : REAL(fsync)(file);
}

int fdatasync(int file) {
    return is_broken() ? fail(EIO) : REAL(fdatasync)(file);
}
