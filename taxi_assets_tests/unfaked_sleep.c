/* Under libfaketime 0.9.10 with its monotonic clock left alone, every sleep of Python fails with EINVAL: it takes the
   clock that is slept by for one that it has changed. With the monotonic clock changed as well, a wait with a time limit
   lasts as long as the clock is ahead, since Python 3.11 waits in sem_clockwait, which it does not know. So the clock of
   the wall is changed alone, and sleeping goes past libfaketime to the C library. For `make test-later`. */

#define _GNU_SOURCE
#include <dlfcn.h>
#include <time.h>

typedef int sleeping(clockid_t, int, const struct timespec *, struct timespec *);

int clock_nanosleep(clockid_t clock, int flags, const struct timespec *until, struct timespec *left)
{
    static sleeping *in_c_library;
    if (!in_c_library)
        in_c_library = (sleeping *)dlsym(dlopen("libc.so.6", RTLD_LAZY | RTLD_NOLOAD), "clock_nanosleep");
    return in_c_library(clock, flags, until, left);
}
