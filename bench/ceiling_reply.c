// ceiling_reply PORT: the system calls of a fast server and nothing around them, as a ceiling for `udp serve`.
//
// recvmmsg with UDP_GRO, sendmmsg with UDP_SEGMENT, always the same reply, no guard, no count, no look at any error.
#define _GNU_SOURCE
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

enum { UDP_LEVEL = 17, SEGMENT = 103, COALESCE = 104, SLOTS = 32, SLOT = 65536, REPLY = 16, COPIES = 128 };

static char requests[SLOTS][SLOT], replies[COPIES * REPLY], in_control[SLOTS][64], out_control[SLOTS][64];

int main(int argc, char **argv) {
    struct sockaddr_in any = {.sin_family = AF_INET, .sin_port = htons((unsigned short)(argc > 1 ? atoi(argv[1]) : 10000))};
    struct sockaddr_in peers[SLOTS];
    struct mmsghdr in[SLOTS], out[SLOTS];
    struct iovec in_data[SLOTS], out_data[SLOTS];
    int one = 1, buffer = 4 << 20, fd = socket(AF_INET, SOCK_DGRAM, 0);
    setsockopt(fd, UDP_LEVEL, COALESCE, &one, sizeof one);
    setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &buffer, sizeof buffer);
    if (bind(fd, (struct sockaddr *)&any, sizeof any) < 0) return 1;
    for (int i = 0; i < COPIES; i++) memcpy(replies + i * REPLY, "Get off my lawn!", REPLY);
    for (;;) {
        for (int i = 0; i < SLOTS; i++) {
            in_data[i] = (struct iovec){requests[i], SLOT};
            in[i].msg_hdr = (struct msghdr){
                .msg_name = &peers[i], .msg_namelen = sizeof peers[i], .msg_iov = &in_data[i], .msg_iovlen = 1,
                .msg_control = in_control[i], .msg_controllen = sizeof in_control[i]};
        }
        int received = recvmmsg(fd, in, SLOTS, MSG_WAITFORONE, NULL);
        for (int i = 0; i < received; i++) {
            int segment = 0;
            struct msghdr *header = &in[i].msg_hdr;
            for (struct cmsghdr *c = CMSG_FIRSTHDR(header); c; c = CMSG_NXTHDR(header, c))
                if (c->cmsg_level == UDP_LEVEL && c->cmsg_type == COALESCE) memcpy(&segment, CMSG_DATA(c), sizeof segment);
            int count = segment > 0 ? ((int)in[i].msg_len + segment - 1) / segment : 1;
            out_data[i] = (struct iovec){replies, (size_t)(REPLY * count)};
            out[i].msg_hdr = (struct msghdr){
                .msg_name = &peers[i], .msg_namelen = sizeof peers[i], .msg_iov = &out_data[i], .msg_iovlen = 1};
            if (count > 1) {
                struct cmsghdr *c = (struct cmsghdr *)out_control[i];
                unsigned short reply = REPLY;
                *c = (struct cmsghdr){.cmsg_len = CMSG_LEN(sizeof reply), .cmsg_level = UDP_LEVEL, .cmsg_type = SEGMENT};
                memcpy(CMSG_DATA(c), &reply, sizeof reply);
                out[i].msg_hdr.msg_control = c;
                out[i].msg_hdr.msg_controllen = CMSG_SPACE(sizeof reply);
            }
        }
        for (int sent = 0; sent < received;) {
            int count = sendmmsg(fd, out + sent, (unsigned)(received - sent), 0);
            if (count < 0) break;
            sent += count;
        }
    }
}
