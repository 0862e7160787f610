// plain_reply PORT: the lesson's server in C, one recvfrom and one sendto for each datagram.
#include <netinet/in.h>
#include <stdlib.h>
#include <sys/socket.h>

int main(int argc, char **argv) {
    static char buffer[65536];
    struct sockaddr_in any = {.sin_family = AF_INET, .sin_port = htons((unsigned short)(argc > 1 ? atoi(argv[1]) : 10000))};
    int fd = socket(AF_INET, SOCK_DGRAM, 0);
    if (bind(fd, (struct sockaddr *)&any, sizeof any) < 0) return 1;
    for (;;) {
        struct sockaddr_in peer;
        socklen_t length = sizeof peer;
        if (recvfrom(fd, buffer, sizeof buffer, 0, (struct sockaddr *)&peer, &length) >= 0)
            sendto(fd, "Get off my lawn!", 16, 0, (struct sockaddr *)&peer, length);
    }
}
