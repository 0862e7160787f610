/* Preloaded into a program, refuses what UDP_REFUSE names (options and calls, with commas between them) with the error number
   UDP_REFUSE_WITH, as old kernels, emulators and sandboxes do; and sets its clock. */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <dlfcn.h>
#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum call { SET, GET, RECVMMSG, SENDMMSG, RECEIVE, ERROR_QUEUE, TRUE_LENGTH, FAMILY, SEND, IOCTL, LATER };

static const struct { const char *name; enum call call; int level, option; } known[] = {
    {"SO_TIMESTAMPNS", SET, SOL_SOCKET, SO_TIMESTAMPNS},
    {"SO_TIMESTAMPING", SET, SOL_SOCKET, SO_TIMESTAMPING},
    {"SO_RXQ_OVFL", SET, SOL_SOCKET, SO_RXQ_OVFL},
    {"SO_RCVBUF", SET, SOL_SOCKET, SO_RCVBUF},
    {"SO_RCVBUF", SET, SOL_SOCKET, SO_RCVBUFFORCE},
    {"SO_RCVBUF", GET, SOL_SOCKET, SO_RCVBUF},
    {"SO_MEMINFO", GET, SOL_SOCKET, 55},
    {"IP_PKTINFO", SET, IPPROTO_IP, IP_PKTINFO},
    {"IP_PKTINFO", SET, IPPROTO_IPV6, IPV6_RECVPKTINFO},
    {"IP_RECVTTL", SET, IPPROTO_IP, IP_RECVTTL},
    {"IP_RECVTTL", SET, IPPROTO_IPV6, IPV6_RECVHOPLIMIT},
    {"IP_RECVTOS", SET, IPPROTO_IP, IP_RECVTOS},
    {"IP_RECVTOS", SET, IPPROTO_IPV6, IPV6_RECVTCLASS},
    {"IP_RECVFRAGSIZE", SET, IPPROTO_IP, IP_RECVFRAGSIZE},
    {"IP_RECVFRAGSIZE", SET, IPPROTO_IPV6, IPV6_RECVFRAGSIZE},
    {"IP_RECVERR", SET, IPPROTO_IP, IP_RECVERR},
    {"IP_RECVERR", SET, IPPROTO_IPV6, IPV6_RECVERR},
    {"IP_MULTICAST_ALL", SET, IPPROTO_IP, 49},
    {"IP_MULTICAST_ALL", SET, IPPROTO_IPV6, 29},
    {"IP_MTU_DISCOVER", SET, IPPROTO_IP, IP_MTU_DISCOVER},
    {"IP_MTU_DISCOVER", SET, IPPROTO_IPV6, IPV6_MTU_DISCOVER},
    {"UDP_GRO", SET, IPPROTO_UDP, 104},
    {"UDP_SEGMENT", GET, IPPROTO_UDP, 103},
    {"recvmmsg", RECVMMSG, 0, 0},
    {"sendmmsg", SENDMMSG, 0, 0},
    {"receive", RECEIVE, 0, 0},
    {"MSG_ERRQUEUE", ERROR_QUEUE, 0, 0},
    {"MSG_TRUNC", TRUE_LENGTH, 0, 0},
    {"AF_INET6", FAMILY, AF_INET6, 0},
    {"AF_INET", FAMILY, AF_INET, 0},
    {"AF_NETLINK", FAMILY, AF_NETLINK, 0},
    /* Its sockets can be had, and nothing can be asked through them. */
    {"netlink", SEND, AF_NETLINK, 0},
    {"ioctl", IOCTL, 0, 0},
    /* Not refused are batches of no message: a sandbox that was begun after the socket was opened. */
    {"later", LATER, 0, 0},
};

/* Once there is this file (UDP_STEP_CLOCK), the system's clock is an hour ahead. */
static const char *step_clock;

int clock_gettime(clockid_t clock, struct timespec *time)
{
    static int (*next)(clockid_t, struct timespec *);
    if (!next) next = (int (*)(clockid_t, struct timespec *))dlsym(RTLD_NEXT, "clock_gettime");
    int result = next(clock, time);
    if (clock == CLOCK_REALTIME && step_clock && !access(step_clock, F_OK)) time->tv_sec += 3600;
    return result;
}

static int refused[sizeof known / sizeof *known];
static int error;
/* The address of `bind=ADDRESS`: it cannot be bound to. */
static char unbindable[64];

__attribute__((constructor)) static void read_environment(void)
{
    const char *names = getenv("UDP_REFUSE"), *number = getenv("UDP_REFUSE_WITH");
    char list[256];
    step_clock = getenv("UDP_STEP_CLOCK");
    if (!names || !number || strlen(names) >= sizeof list) return;
    error = atoi(number);
    strcpy(list, names);
    for (char *name = strtok(list, ","); name; name = strtok(NULL, ",")) {
        int found = sscanf(name, "bind=%63s", unbindable) == 1;
        for (size_t i = 0; i < sizeof known / sizeof *known; i++)
            if (!strcmp(name, known[i].name)) refused[i] = found = 1;
        if (!found) {
            fprintf(stderr, "refuse.c does not know %s\n", name);
            abort();
        }
    }
}

/* Sets errno where it says yes. */
static int refuses(enum call call, int level, int option)
{
    for (size_t i = 0; i < sizeof known / sizeof *known; i++)
        if (refused[i] && known[i].call == call && known[i].level == level && known[i].option == option) {
            errno = error;
            return 1;
        }
    return 0;
}

#define NEXT(result, name, ...) \
    static result (*next)(__VA_ARGS__); \
    if (!next) next = (result (*)(__VA_ARGS__))dlsym(RTLD_NEXT, name)

int socket(int family, int kind, int protocol)
{
    NEXT(int, "socket", int, int, int);
    return refuses(FAMILY, family, 0) ? -1 : next(family, kind, protocol);
}

int setsockopt(int fd, int level, int option, const void *value, socklen_t length)
{
    NEXT(int, "setsockopt", int, int, int, const void *, socklen_t);
    return refuses(SET, level, option) ? -1 : next(fd, level, option, value, length);
}

int getsockopt(int fd, int level, int option, void *value, socklen_t *length)
{
    NEXT(int, "getsockopt", int, int, int, void *, socklen_t *);
    return refuses(GET, level, option) ? -1 : next(fd, level, option, value, length);
}

int bind(int fd, const struct sockaddr *address, socklen_t length)
{
    NEXT(int, "bind", int, const struct sockaddr *, socklen_t);
    char text[INET6_ADDRSTRLEN] = "";
    if (address->sa_family == AF_INET)
        inet_ntop(AF_INET, &((const struct sockaddr_in *)address)->sin_addr, text, sizeof text);
    else if (address->sa_family == AF_INET6)
        inet_ntop(AF_INET6, &((const struct sockaddr_in6 *)address)->sin6_addr, text, sizeof text);
    if (*unbindable && !strcmp(text, unbindable)) {
        errno = error;
        return -1;
    }
    return next(fd, address, length);
}

int ioctl(int fd, unsigned long request, ...)
{
    NEXT(int, "ioctl", int, unsigned long, ...);
    va_list arguments;
    va_start(arguments, request);
    void *argument = va_arg(arguments, void *);
    va_end(arguments);
    return refuses(IOCTL, 0, 0) ? -1 : next(fd, request, argument);
}

ssize_t send(int fd, const void *payload, size_t length, int flags)
{
    NEXT(ssize_t, "send", int, const void *, size_t, int);
    struct sockaddr_storage own = {0};
    socklen_t size = sizeof own;
    if (!getsockname(fd, (struct sockaddr *)&own, &size) && refuses(SEND, own.ss_family, 0)) return -1;
    return next(fd, payload, length, flags);
}

ssize_t recvmsg(int fd, struct msghdr *header, int flags)
{
    NEXT(ssize_t, "recvmsg", int, struct msghdr *, int);
    if (flags & MSG_ERRQUEUE ? refuses(ERROR_QUEUE, 0, 0) : refuses(RECEIVE, 0, 0)) return -1;
    if (refuses(TRUE_LENGTH, 0, 0)) flags &= ~MSG_TRUNC;
    return next(fd, header, flags);
}

int recvmmsg(int fd, struct mmsghdr *headers, unsigned count, int flags, struct timespec *timeout)
{
    NEXT(int, "recvmmsg", int, struct mmsghdr *, unsigned, int, struct timespec *);
    int tried = !count && refuses(LATER, 0, 0);
    if (!tried && (refuses(RECVMMSG, 0, 0) || refuses(RECEIVE, 0, 0))) return -1;
    if (refuses(TRUE_LENGTH, 0, 0)) flags &= ~MSG_TRUNC;
    return next(fd, headers, count, flags, timeout);
}

int sendmmsg(int fd, struct mmsghdr *headers, unsigned count, int flags)
{
    NEXT(int, "sendmmsg", int, struct mmsghdr *, unsigned, int);
    int tried = !count && refuses(LATER, 0, 0);
    return !tried && refuses(SENDMMSG, 0, 0) ? -1 : next(fd, headers, count, flags);
}

/* A name of its own, which has a loopback address of each family: IPv6 first. */
int getaddrinfo(const char *name, const char *service, const struct addrinfo *hints, struct addrinfo **found)
{
    NEXT(int, "getaddrinfo", const char *, const char *, const struct addrinfo *, struct addrinfo **);
    if (!name || strcmp(name, "both-families.test")) return next(name, service, hints, found);
    int failed = next("::1", service, hints, found);
    return failed ? failed : next("127.0.0.1", service, hints, &(*found)->ai_next);
}
