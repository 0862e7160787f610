// ceiling_sink PORT COALESCE BUFFER: the system calls of a fast receiver and nothing around them, as a ceiling for
// `udp listen`.
//
// recvmmsg, with UDP_GRO where COALESCE is 1, a receive buffer of BUFFER bytes; looks at no payload and writes nothing.
// Ends with SIGINT, and prints how many datagrams it got.
#define _GNU_SOURCE
#include <netinet/in.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

enum { UDP_LEVEL = 17, COALESCE = 104, SLOTS = 64, SLOT = 65536 };

static char payloads[SLOTS][SLOT];
// Control messages need the alignment of their header.
static union control { struct cmsghdr header; char bytes[64]; } control[SLOTS];
static volatile sig_atomic_t is_over;

static void end(int signal) {
    (void)signal;
    is_over = 1;
}

// How many datagrams a message holds.
static long count(struct mmsghdr *message) {
    int segment = 0;
    struct msghdr *header = &message->msg_hdr;
    for (struct cmsghdr *c = CMSG_FIRSTHDR(header); c; c = CMSG_NXTHDR(header, c))
        if (c->cmsg_level == UDP_LEVEL && c->cmsg_type == COALESCE) memcpy(&segment, CMSG_DATA(c), sizeof segment);
    return segment > 0 ? ((int)message->msg_len + segment - 1) / segment : 1;
}

int main(int argc, char **argv) {
    if (argc != 4) return fputs("usage: ceiling_sink PORT COALESCE BUFFER\n", stderr), 2;
    int coalesce = atoi(argv[2]) == 1, one = 1, buffer = atoi(argv[3]), fd = socket(AF_INET, SOCK_DGRAM, 0);
    struct sockaddr_in any = {.sin_family = AF_INET, .sin_port = htons((unsigned short)atoi(argv[1]))};
    struct mmsghdr in[SLOTS];
    struct iovec data[SLOTS];
    // Without SA_RESTART: the signal ends the wait.
    sigaction(SIGINT, &(struct sigaction){.sa_handler = end}, NULL);
    if (setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &buffer, sizeof buffer) < 0)
        setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &buffer, sizeof buffer);
    if (coalesce && setsockopt(fd, UDP_LEVEL, COALESCE, &one, sizeof one) < 0) return perror("UDP_GRO"), 1;
    if (bind(fd, (struct sockaddr *)&any, sizeof any) < 0) return perror("bind"), 1;
    long total = 0;
    while (!is_over) {
        for (int i = 0; i < SLOTS; i++) {
            data[i] = (struct iovec){payloads[i], SLOT};
            in[i].msg_hdr = (struct msghdr){.msg_iov = &data[i], .msg_iovlen = 1};
            if (coalesce) in[i].msg_hdr.msg_control = &control[i], in[i].msg_hdr.msg_controllen = sizeof control[i];
        }
        int received = recvmmsg(fd, in, SLOTS, MSG_WAITFORONE, NULL);
        for (int i = 0; i < received; i++) total += count(&in[i]);
    }
    printf("%ld\n", total);
    return 0;
}
