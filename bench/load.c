// load PORT SIZE SECONDS PEERS WINDOW TRAINS PID
//
// Loads a UDP server on 127.0.0.1: PEERS sockets, each with up to WINDOW requests of SIZE bytes outstanding, for SECONDS,
// as trains (UDP_SEGMENT, received with UDP_GRO) where TRAINS is 1, else singly (sendmmsg). Prints requests/s, replies/s
// and the CPU time of process PID per reply in microseconds. Waits up to five seconds for a first reply.
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum { UDP_LEVEL = 17, SEGMENT = 103, COALESCE = 104, MAX_RUN = 64, SLOTS = 16, SLOT = 65536 };
static const double GIVE_UP = 0.02, HURRY = 0.001;

struct peer {
    int socket;
    int outstanding;
    double last;
};

static char request[SLOT], replies[SLOTS][SLOT], control[SLOTS][128];

static double now(void) {
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return (double)time.tv_sec + (double)time.tv_nsec / 1e9;
}

// User and system time of a process, all its threads (proc(5)).
static double cpu_seconds(const char *pid) {
    char path[64], stat[1024] = "";
    snprintf(path, sizeof path, "/proc/%s/stat", pid);
    FILE *file = fopen(path, "r");
    if (!file) return 0;
    size_t length = fread(stat, 1, sizeof stat - 1, file);
    fclose(file);
    stat[length] = 0;
    char *after_name = strrchr(stat, ')');
    unsigned long user = 0, system = 0;
    if (after_name) sscanf(after_name + 2, "%*c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %lu %lu", &user, &system);
    return (double)(user + system) / (double)sysconf(_SC_CLK_TCK);
}

static int open_peer(int port, int size, int trains) {
    struct sockaddr_in server = {.sin_family = AF_INET, .sin_port = htons((unsigned short)port)};
    server.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    int one = 1, buffer = 4 << 20, fd = socket(AF_INET, SOCK_DGRAM | SOCK_NONBLOCK, 0);
    setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &buffer, sizeof buffer);
    if (trains && (setsockopt(fd, UDP_LEVEL, SEGMENT, &size, sizeof size) < 0 ||
                   setsockopt(fd, UDP_LEVEL, COALESCE, &one, sizeof one) < 0)) {
        perror("trains");
        exit(1);
    }
    if (fd < 0 || connect(fd, (struct sockaddr *)&server, sizeof server) < 0) {
        perror("socket");
        exit(1);
    }
    return fd;
}

// Sends up to `count` requests; returns how many the kernel took.
static int send_requests(int fd, int count, int size, int trains) {
    if (trains) {
        ssize_t sent = send(fd, request, (size_t)(count * size), 0);
        return sent > 0 ? (int)(sent / size) : 0;
    }
    struct mmsghdr messages[MAX_RUN];
    struct iovec data = {request, (size_t)size};
    memset(messages, 0, sizeof messages);
    for (int i = 0; i < count; i++) messages[i].msg_hdr = (struct msghdr){.msg_iov = &data, .msg_iovlen = 1};
    int sent = sendmmsg(fd, messages, (unsigned)count, 0);
    return sent > 0 ? sent : 0;
}

// Receives what is there; returns the number of datagrams.
static int receive_replies(int fd) {
    struct mmsghdr messages[SLOTS];
    struct iovec data[SLOTS];
    for (int i = 0; i < SLOTS; i++) {
        data[i] = (struct iovec){replies[i], SLOT};
        messages[i].msg_hdr = (struct msghdr){
            .msg_iov = &data[i], .msg_iovlen = 1, .msg_control = control[i], .msg_controllen = sizeof control[i]};
    }
    int received = recvmmsg(fd, messages, SLOTS, MSG_DONTWAIT, NULL), datagrams = 0;
    for (int i = 0; i < received; i++) {
        int segment = 0;
        struct msghdr *header = &messages[i].msg_hdr;
        for (struct cmsghdr *c = CMSG_FIRSTHDR(header); c; c = CMSG_NXTHDR(header, c))
            if (c->cmsg_level == UDP_LEVEL && c->cmsg_type == COALESCE) memcpy(&segment, CMSG_DATA(c), sizeof segment);
        datagrams += segment > 0 ? ((int)messages[i].msg_len + segment - 1) / segment : 1;
    }
    return datagrams;
}

int main(int argc, char **argv) {
    if (argc != 8) return fputs("usage: load PORT SIZE SECONDS PEERS WINDOW TRAINS PID\n", stderr), 2;
    int port = atoi(argv[1]), size = atoi(argv[2]), peers = atoi(argv[4]), window = atoi(argv[5]), trains = atoi(argv[6]);
    double seconds = atof(argv[3]);
    struct peer *list = calloc((size_t)peers, sizeof *list);
    struct pollfd *waits = calloc((size_t)peers, sizeof *waits);
    memset(request, 'x', sizeof request);
    for (int i = 0; i < peers; i++) {
        list[i].socket = open_peer(port, size, trains);
        waits[i] = (struct pollfd){.fd = list[i].socket, .events = POLLIN};
    }
    for (int tries = 0; tries < 100; tries++) {
        send_requests(list[0].socket, 1, size, 0);
        struct pollfd first = waits[0];
        if (poll(&first, 1, 50) > 0 && receive_replies(list[0].socket) > 0) break;
        struct timespec pause = {0, 50000000};
        nanosleep(&pause, NULL);
    }
    int most = trains && size * MAX_RUN > 60000 ? 60000 / size : MAX_RUN;
    long sent = 0, got = 0;
    double cpu = cpu_seconds(argv[7]), start = now(), time;
    while ((time = now()) < start + seconds) {
        int busy = 0;
        for (int i = 0; i < peers; i++) {
            struct peer *peer = &list[i];
            // What does not come back in time is lost; the window opens again.
            if (peer->outstanding >= window && time - peer->last > GIVE_UP) peer->outstanding = 0;
            int room = window - peer->outstanding;
            int enough = trains ? (window / 2 > 1 ? window / 2 : 1) : 1;
            if (room >= enough || (room > 0 && time - peer->last > HURRY)) {
                int count = send_requests(peer->socket, room < most ? room : most, size, trains);
                sent += count, peer->outstanding += count, busy |= count;
                if (count) peer->last = time;
            }
            int count = receive_replies(peer->socket);
            got += count, busy |= count;
            peer->outstanding = peer->outstanding > count ? peer->outstanding - count : 0;
            if (count) peer->last = time;
        }
        if (!busy) poll(waits, (nfds_t)peers, 1);
    }
    time = now() - start;
    cpu = cpu_seconds(argv[7]) - cpu;
    printf("%.0f %.0f %.4f\n", (double)sent / time, (double)got / time, got ? 1e6 * cpu / (double)got : 0.0);
    return 0;
}
