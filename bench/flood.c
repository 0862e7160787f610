// flood PORT SIZE COUNT RATE TRAINS OUTPUT COMMAND...
//
// Runs a receiver, its standard output into the file OUTPUT, and sends it COUNT datagrams of SIZE bytes on 127.0.0.1:
// RATE a second (0: as fast as it can), as trains of 64 (UDP_SEGMENT) where TRAINS is 1, else singly (sendmmsg). At a rate
// they leave 16 or more at a time, or waking the receiver for each would take the time to send the next. Each begins with
// '#' and its number, ten digits. When the receiver has nothing left to do, it is ended with SIGINT. Runs in
// a network namespace with the receiver and nothing else. Prints how many datagrams were sent, the seconds that took, the
// seconds until the receiver had nothing left to do, its CPU time in seconds, and how many processors all others kept busy.
//
// A receiver is ready when the port is bound, or a packet socket is open (tcpdump): nothing is sent to try it, since all
// that is sent is counted. For a receiver with a packet socket the port is bound here, and never read.
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>

#include "machine.h"

enum { UDP_LEVEL = 17, SEGMENT = 103, RUN = 64, BURST = 16, SLOT = 65536, NUMBER = 10, LEAST = 1 + NUMBER, MOST = 1000 };
// After this the receiver has nothing left to do: without CPU time, with an empty queue. tcpdump looks once a second.
static const double QUIET = 0.3, CAPTURE_QUIET = 1.2;
static const double READY_WITHIN = 5, SETTLED_AFTER = 0.2, ENDED_WITHIN = 20, STEP = 0.01;

static int size, trains, fd;
static char payloads[SLOT], number[NUMBER + 1] = "0000000000";
static struct mmsghdr out[RUN];
static struct iovec data[RUN];
static struct sockaddr_in receiver = {.sin_family = AF_INET};

static void pause_for(double seconds) {
    struct timespec time = {(time_t)seconds, (long)((seconds - (double)(time_t)seconds) * 1e9)};
    nanosleep(&time, NULL);
}

static int fail(const char *what) {
    fprintf(stderr, "flood: ");
    perror(what);
    return 1;
}

// Bytes that wait at the port's IPv4 socket; -1 if it is not bound.
static long queued(int port) {
    char line[512];
    long found = -1;
    FILE *sockets = fopen("/proc/net/udp", "r");
    while (sockets && fgets(line, sizeof line, sockets)) {
        unsigned local = 0, waiting = 0;
        int fields = sscanf(line, " %*d: %*[0-9A-F]:%x %*[0-9A-F]:%*x %*x %*x:%x", &local, &waiting);
        if (fields == 2 && local == (unsigned)port) found = (found > 0 ? found : 0) + waiting;
    }
    if (sockets) fclose(sockets);
    return found;
}

// Whether there is a line after the heading.
static int is_captured(void) {
    char line[512];
    FILE *sockets = fopen("/proc/net/packet", "r");
    int found = sockets && fgets(line, sizeof line, sockets) && fgets(line, sizeof line, sockets);
    if (sockets) fclose(sockets);
    return found;
}

static pid_t start(const char *output, char **command) {
    pid_t child = fork();
    if (child != 0) return child;
    int file = open(output, O_WRONLY | O_CREAT | O_TRUNC, 0666), nothing = open("/dev/null", O_RDONLY);
    if (file >= 0 && nothing >= 0 && dup2(file, 1) == 1 && dup2(nothing, 0) == 0) execvp(command[0], command);
    _exit(fail(command[0]));
}

static int is_ready(pid_t child, int port) {
    for (double start = now(); now() < start + READY_WITHIN; pause_for(STEP)) {
        if (queued(port) >= 0 || is_captured()) return pause_for(SETTLED_AFTER), 1;
        if (waitpid(child, NULL, WNOHANG) != 0) return 0;
    }
    return 0;
}

static void count_up(void) {
    int digit = NUMBER - 1;
    while (digit >= 0 && number[digit] == '9') number[digit--] = '0';
    if (digit >= 0) number[digit]++;
}

static void prepare(void) {
    for (int i = 0; i < RUN * size; i++) payloads[i] = (char)('a' + i % size % 26);
    for (int i = 0; i < RUN; i++) {
        payloads[i * size] = '#';
        data[i] = (struct iovec){payloads + i * size, (size_t)size};
        out[i].msg_hdr = (struct msghdr){.msg_iov = &data[i], .msg_iovlen = 1};
    }
}

// Sends as many datagrams, RUN at the most; those that the kernel does not take at once are offered again.
static int send_run(int count) {
    for (int i = 0; i < count; i++, count_up()) memcpy(payloads + i * size + 1, number, NUMBER);
    for (int done = 0; done < count;) {
        ssize_t sent = trains ? send(fd, payloads, (size_t)(count * size), 0)
                              : sendmmsg(fd, out + done, (unsigned)(count - done), 0);
        if (sent > 0) done += trains ? count : (int)sent;
        // Refused is what a receiver that has ended causes; it says nothing about this datagram.
        else if (errno != ECONNREFUSED && errno != ENOBUFS && errno != EINTR) return 0;
    }
    return 1;
}

static int send_all(long count, double rate) {
    double start = now();
    for (long sent = 0; sent < count;) {
        long due = rate > 0 ? (long)((now() - start) * rate) : count;
        if (due > count) due = count;
        int run = due - sent < RUN ? (int)(due - sent) : RUN;
        if (run < BURST && due < count) continue;
        if (!send_run(run)) return 0;
        sent += run;
    }
    return 1;
}

// When the receiver was last seen to do something.
static double idle_since(pid_t child, int port, double quiet) {
    char pid[32];
    snprintf(pid, sizeof pid, "%d", (int)child);
    double busy = now(), cpu = cpu_seconds(pid);
    for (double time = busy; time < busy + quiet; time = now()) {
        pause_for(STEP);
        double cpu_now = cpu_seconds(pid);
        if (cpu_now > cpu || queued(port) > 0) busy = now(), cpu = cpu_now;
    }
    return busy;
}

// Ends the receiver; its CPU time in seconds.
static double end(pid_t child) {
    struct rusage usage = {0};
    kill(child, SIGINT);
    for (double start = now(); wait4(child, NULL, WNOHANG, &usage) == 0; pause_for(STEP))
        if (now() > start + ENDED_WITHIN) kill(child, SIGKILL);
    return (double)(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) +
           (double)(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) / 1e6;
}

int main(int argc, char **argv) {
    if (argc < 8) return fputs("usage: flood PORT SIZE COUNT RATE TRAINS OUTPUT COMMAND...\n", stderr), 2;
    int port = atoi(argv[1]), unread = -1;
    long count = atol(argv[3]);
    size = atoi(argv[2]), trains = atoi(argv[5]) == 1;
    if (size < LEAST || size > MOST) return fputs("flood: a number is out of range\n", stderr), 2;
    receiver.sin_port = htons((unsigned short)port), receiver.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    pid_t child = start(argv[6], argv + 7);
    if (child < 0) return fail("fork");
    if (!is_ready(child, port)) return fprintf(stderr, "flood: %s did not become ready\n", argv[7]), kill(child, SIGKILL), 1;
    if (queued(port) < 0) {
        unread = socket(AF_INET, SOCK_DGRAM, 0);
        if (bind(unread, (struct sockaddr *)&receiver, sizeof receiver) < 0) return fail("bind");
    }
    fd = socket(AF_INET, SOCK_DGRAM, 0);
    if (connect(fd, (struct sockaddr *)&receiver, sizeof receiver) < 0 ||
        (trains && setsockopt(fd, UDP_LEVEL, SEGMENT, &size, sizeof size) < 0))
        return fail("socket");
    move_to_last_processor();
    prepare();
    char pid[32];
    snprintf(pid, sizeof pid, "%d", (int)child);
    double own = cpu_seconds("self"), machine = machine_seconds(), before = cpu_seconds(pid), start = now();
    if (!send_all(count, atof(argv[4]))) return fail("send");
    double sending = now() - start;
    // The queue of a socket that nobody reads does not become empty.
    double working = idle_since(child, unread < 0 ? port : 0, unread < 0 ? QUIET : CAPTURE_QUIET) - start;
    machine = machine_seconds() - machine - (cpu_seconds(pid) - before) - (cpu_seconds("self") - own);
    double watched = now() - start, cpu = end(child) - before;
    printf("%ld %.6f %.6f %.6f %.3f\n", count, sending, working, cpu, machine / watched);
    return 0;
}
