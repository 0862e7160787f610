// load PORT SIZE SECONDS PEERS WINDOW TRAINS
//
// Loads a UDP server on 127.0.0.1: PEERS peers, each with up to WINDOW requests of SIZE bytes outstanding, for SECONDS,
// as trains (UDP_SEGMENT, received with UDP_GRO) where TRAINS is 1, else singly (sendmmsg). Runs in a PID namespace
// with the server and nothing else. Prints requests/s, replies/s, the server's CPU time per reply in microseconds, and
// how many processors the server, this program and all others kept busy; zeros without a first reply in 5 seconds.
//
// It must cost less than the server, or it is itself what is measured. So requests go out in bursts of half a window,
// and peers with one outstanding request each are addresses of one socket, so that one call serves many of them. While
// replies keep coming it does not sleep, so that no server has to pay for waking it.
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <dirent.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "machine.h"

enum { UDP_LEVEL = 17, SEGMENT = 103, COALESCE = 104, RUN = 64, SLOT = 65536, HEADER = 14 };
enum { MOST_PEERS = 16384, MOST_BYTES = 60000, FIRST_ADDRESS = 0x7f010001 };
static const double GIVE_UP = 0.01, SLEEP_AFTER = 0.0005;

// A socket: that of one peer, or the one that all peers share. `room`: requests that may be sent now.
struct lane {
    int socket;
    int room;
    double last;
};

static int size, window, peers, trains, shared;
static struct lane lanes[MOST_PEERS];
static struct pollfd waits[MOST_PEERS];
// Of the shared lane: the peers that may send, `room` of them; when the others sent (0: nothing outstanding).
static int ready[MOST_PEERS];
static double sent_at[MOST_PEERS];
static char requests[SLOT], replies[RUN][SLOT];
static struct mmsghdr in[RUN], out[RUN];
static struct iovec in_data[RUN], out_data;
static struct sockaddr_in server = {.sin_family = AF_INET};
// Control messages need the alignment of their header.
static union control { struct cmsghdr header; char bytes[128]; } in_control[RUN], out_control[RUN];

// The server's, and that of all its children: of every process that we see but ourselves.
static double server_seconds(void) {
    double sum = 0;
    DIR *processes = opendir("/proc");
    for (struct dirent *entry; processes && (entry = readdir(processes));)
        if (atoi(entry->d_name) > 0 && atoi(entry->d_name) != getpid()) sum += cpu_seconds(entry->d_name);
    if (processes) closedir(processes);
    return sum;
}

static void open_lane(struct lane *lane) {
    struct sockaddr_in any = {.sin_family = AF_INET};
    int one = 1, buffer = 4 << 20, failed = 0;
    lane->socket = socket(AF_INET, SOCK_DGRAM | SOCK_NONBLOCK, 0);
    setsockopt(lane->socket, SOL_SOCKET, SO_RCVBUF, &buffer, sizeof buffer);
    if (trains)
        failed = setsockopt(lane->socket, UDP_LEVEL, SEGMENT, &size, sizeof size) < 0 ||
                 setsockopt(lane->socket, UDP_LEVEL, COALESCE, &one, sizeof one) < 0;
    if (shared) {
        failed |= bind(lane->socket, (struct sockaddr *)&any, sizeof any) < 0 ||
                  setsockopt(lane->socket, IPPROTO_IP, IP_PKTINFO, &one, sizeof one) < 0;
        for (int i = 0; i < peers; i++) ready[i] = i;
    } else {
        failed |= connect(lane->socket, (struct sockaddr *)&server, sizeof server) < 0;
    }
    if (failed || lane->socket < 0) {
        perror("socket");
        exit(1);
    }
    lane->room = shared ? peers : window;
}

// A request begins with what sockperf wants to see: a number, "client, please reply", the length of the whole message.
static void prepare(void) {
    char header[HEADER] = {0, 0, 0, 0, 0, 0, 0, 1, 0, 3, 0, 0, (char)(size >> 8), (char)size};
    memset(requests, 'x', sizeof requests);
    for (int at = 0; size >= HEADER && at + size <= SLOT; at += size) memcpy(requests + at, header, HEADER);
    out_data = (struct iovec){requests, (size_t)size};
    for (int i = 0; i < RUN; i++) {
        in_data[i] = (struct iovec){replies[i], SLOT};
        out[i].msg_hdr = (struct msghdr){.msg_iov = &out_data, .msg_iovlen = 1};
        if (!shared) continue;
        struct in_pktinfo from = {0};
        out_control[i].header = (struct cmsghdr){.cmsg_len = CMSG_LEN(sizeof from), .cmsg_type = IP_PKTINFO};
        out[i].msg_hdr.msg_name = &server, out[i].msg_hdr.msg_namelen = sizeof server;
        out[i].msg_hdr.msg_control = &out_control[i], out[i].msg_hdr.msg_controllen = CMSG_SPACE(sizeof from);
    }
}

// Writes into a burst which peers send it: those that became ready last.
static void address_burst(struct lane *lane, int count) {
    for (int i = 0; i < count; i++) {
        struct in_pktinfo *from = (struct in_pktinfo *)CMSG_DATA(&out_control[i].header);
        from->ipi_spec_dst.s_addr = htonl(FIRST_ADDRESS + (unsigned)ready[lane->room - 1 - i]);
    }
}

// Sends a burst, as much as there is room for; returns how many the kernel took.
static int send_requests(struct lane *lane, double time) {
    int count = lane->room < RUN ? lane->room : RUN, most = MOST_BYTES / size;
    if (trains) {
        ssize_t sent = send(lane->socket, requests, (size_t)((count < most ? count : most) * size), 0);
        count = sent > 0 ? (int)(sent / size) : 0;
    } else {
        if (shared) address_burst(lane, count);
        count = sendmmsg(lane->socket, out, (unsigned)count, 0);
    }
    if (count <= 0) return 0;
    for (int i = 0; shared && i < count; i++) sent_at[ready[lane->room - 1 - i]] = time;
    lane->room -= count;
    lane->last = time;
    return count;
}

// A shared lane's peer may send again; a reply that nobody waits for changes nothing.
static void free_peer(struct lane *lane, unsigned peer) {
    if (peer >= (unsigned)peers || sent_at[peer] <= 0 || lane->room >= peers) return;
    sent_at[peer] = 0;
    ready[lane->room++] = (int)peer;
}

// Receives what is there; returns the number of datagrams.
static int receive_replies(struct lane *lane, double time) {
    for (int i = 0; i < RUN; i++) {
        in[i].msg_hdr = (struct msghdr){.msg_iov = &in_data[i], .msg_iovlen = 1};
        if (!trains && !shared) continue;
        in[i].msg_hdr.msg_control = &in_control[i], in[i].msg_hdr.msg_controllen = sizeof in_control[i];
    }
    int received = recvmmsg(lane->socket, in, RUN, MSG_DONTWAIT, NULL), datagrams = 0;
    for (int i = 0; i < received; i++) {
        int segment = 0;
        struct msghdr *header = &in[i].msg_hdr;
        for (struct cmsghdr *c = CMSG_FIRSTHDR(header); c; c = CMSG_NXTHDR(header, c)) {
            struct in_pktinfo to;
            if (c->cmsg_level == UDP_LEVEL && c->cmsg_type == COALESCE) memcpy(&segment, CMSG_DATA(c), sizeof segment);
            if (c->cmsg_level != IPPROTO_IP || c->cmsg_type != IP_PKTINFO) continue;
            memcpy(&to, CMSG_DATA(c), sizeof to);
            free_peer(lane, ntohl(to.ipi_addr.s_addr) - FIRST_ADDRESS);
        }
        datagrams += segment > 0 ? ((int)in[i].msg_len + segment - 1) / segment : 1;
    }
    if (datagrams == 0) return 0;
    lane->last = time;
    if (!shared) lane->room = lane->room + datagrams < window ? lane->room + datagrams : window;
    return datagrams;
}

// What does not come back in time is lost; the window opens again.
static void give_up(struct lane *lane, double time) {
    if (!shared && lane->room == 0 && time - lane->last > GIVE_UP) lane->room = window;
    for (int i = 0; shared && i < peers; i++)
        if (time - sent_at[i] > GIVE_UP) free_peer(lane, (unsigned)i);
}

static int is_answered(void) {
    int probe = socket(AF_INET, SOCK_DGRAM, 0), answered = 0;
    connect(probe, (struct sockaddr *)&server, sizeof server);
    for (int tries = 0; tries < 50 && !answered; tries++) {
        struct pollfd wait = {.fd = probe, .events = POLLIN};
        struct timespec pause = {0, 50000000};
        send(probe, requests, (size_t)size, 0);
        answered = poll(&wait, 1, 50) > 0 && recv(probe, replies[0], SLOT, 0) >= 0;
        if (!answered) nanosleep(&pause, NULL);
    }
    close(probe);
    return answered;
}

int main(int argc, char **argv) {
    if (argc != 7) return fputs("usage: load PORT SIZE SECONDS PEERS WINDOW TRAINS\n", stderr), 2;
    size = atoi(argv[2]), window = atoi(argv[5]), trains = atoi(argv[6]) == 1, shared = !trains && window == 1;
    peers = atoi(argv[4]);
    double seconds = atof(argv[3]);
    server.sin_port = htons((unsigned short)atoi(argv[1]));
    server.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    if (size < 1 || size > MOST_BYTES || window < 1 || peers < 1 || peers > MOST_PEERS)
        return fputs("load: a number is out of range\n", stderr), 2;
    move_to_last_processor();
    prepare();
    int count = shared ? 1 : peers;
    for (int i = 0; i < count; i++) {
        open_lane(&lanes[i]);
        waits[i] = (struct pollfd){.fd = lanes[i].socket, .events = POLLIN};
    }
    if (!is_answered()) return puts("0 0 0 0 0 0"), 0;
    int full = shared ? peers : window, burst = full / 2 < RUN ? full / 2 : RUN, enough = 1;
    long sent = 0, got = 0;
    double own = cpu_seconds("self"), cpu = server_seconds(), machine = machine_seconds();
    double start = now(), time = start, heard = start, swept = start;
    while ((time = now()) < start + seconds) {
        int busy = 0;
        for (struct lane *lane = lanes; lane < lanes + count; lane++) {
            int out_now = lane->room >= enough ? send_requests(lane, time) : 0;
            int in_now = lane->room < full ? receive_replies(lane, time) : 0;
            sent += out_now, got += in_now, busy |= out_now | in_now;
        }
        if (time - swept > GIVE_UP / 4) {
            for (int i = 0; i < count; i++) give_up(&lanes[i], time);
            swept = time;
        }
        // Less than a burst goes out only where there is nothing else to do, so no server waits for us.
        enough = busy && burst > 0 ? burst : 1;
        if (busy) heard = time;
        else if (time - heard > SLEEP_AFTER) poll(waits, (nfds_t)count, 1);
    }
    time = now() - start;
    own = cpu_seconds("self") - own, cpu = server_seconds() - cpu, machine = machine_seconds() - machine;
    double each = got ? 1e6 * cpu / (double)got : 0;
    printf("%.0f %.0f %.4f %.2f %.2f %.2f\n", (double)sent / time, (double)got / time, each, cpu / time, own / time,
           (machine - own - cpu) / time);
    return 0;
}
