// check_numbers FILE SIZE COUNT: whether a receiver of `flood` wrote every datagram, whole and once.
//
// FILE holds lines that end with the payload of SIZE bytes, or payloads and nothing else, or is a capture (pcap,
// pcapng). A record is whole if it is as long as the first and differs from it in digits only: in all of the line, in the
// payload of a captured frame. Prints how many of the COUNT numbers stand in whole records, how many whole records say a
// number once more, and how many records are not whole.
#define _GNU_SOURCE
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

enum { NUMBER = 10, LONGEST = 4096, PCAP = 24, PCAP_RECORD = 16, BLOCK = 12, PACKET_BLOCK = 6, PACKET = 28 };

static const unsigned char *at, *end;
static unsigned char *seen, first[LONGEST], is_digit_there[LONGEST];
static size_t size, first_length;
static long count, distinct, doubled, broken;

static uint32_t word(const unsigned char *bytes) {
    uint32_t value;
    memcpy(&value, bytes, sizeof value);
    return value;
}

static int is_like_first(const unsigned char *record) {
    unsigned wrong = 0;
    for (size_t i = 0; i < first_length; i++) {
        unsigned is_digit = (unsigned char)(record[i] - '0') <= 9;
        wrong |= is_digit_there[i] ? !is_digit : record[i] != first[i];
    }
    return !wrong;
}

// Takes a record, of which this part is compared with the first one's.
static void take(const unsigned char *record, size_t length) {
    if (first_length == 0 && length >= size && length <= LONGEST) {
        memcpy(first, record, first_length = length);
        for (size_t i = 0; i < length; i++) is_digit_there[i] = (unsigned char)(first[i] - '0') <= 9;
    }
    const unsigned char *payload = record + length - size;
    if (length != first_length || !is_like_first(record) || *payload != '#') {
        broken++;
        return;
    }
    long number = 0;
    for (int i = 1; i <= NUMBER; i++) number = number * 10 + (payload[i] - '0');
    if (number >= count) broken++;
    else if (seen[number]) doubled++;
    else seen[number] = 1, distinct++;
}

// Takes the payload at the end of a captured frame.
static void take_frame(const unsigned char *frame, size_t length) {
    if (length < size) broken++;
    else take(frame + length - size, size);
}

// A line without what `udp listen` says where the kernel dropped some before it: " (17 dropped before it)".
static size_t without_drops(const unsigned char *line, size_t length, unsigned char *kept) {
    static const char words[] = " dropped before it)";
    const unsigned char *said = length <= LONGEST ? memmem(line, length, words, sizeof words - 1) : NULL;
    const unsigned char *start = said;
    while (start && start > line && (unsigned char)(start[-1] - '0') <= 9) start--;
    if (!said || start < line + 2 || start == said || memcmp(start - 2, " (", 2) != 0) return 0;
    size_t before = (size_t)(start - 2 - line), after = (size_t)(line + length - said) - (sizeof words - 1);
    memcpy(kept, line, before);
    memcpy(kept + before, said + sizeof words - 1, after);
    return before + after;
}

static void take_lines(void) {
    while (at < end) {
        const unsigned char *stop = memchr(at, '\n', (size_t)(end - at));
        if (!stop) {
            broken++;
            return;
        }
        unsigned char kept[LONGEST];
        size_t length = without_drops(at, (size_t)(stop - at), kept);
        take(length ? kept : at, length ? length : (size_t)(stop - at));
        at = stop + 1;
    }
}

static void take_payloads(void) {
    for (; (size_t)(end - at) >= size; at += size) take(at, size);
    broken += at < end;
}

static void take_pcap(void) {
    for (at += PCAP; end - at >= PCAP_RECORD;) {
        size_t length = word(at + 8);
        at += PCAP_RECORD;
        if (length > (size_t)(end - at)) break;
        take_frame(at, length);
        at += length;
    }
    broken += at < end;
}

static void take_pcapng(void) {
    while (end - at >= BLOCK) {
        size_t length = word(at + 4), room = (size_t)(end - at);
        if (length < BLOCK || length > room || word(at + length - 4) != length) break;
        if (word(at) == PACKET_BLOCK) {
            size_t captured = length >= PACKET + 4 ? word(at + 20) : 0;
            if (captured > length - PACKET - 4) broken++;
            else take_frame(at + PACKET, captured);
        }
        at += length;
    }
    broken += at < end;
}

int main(int argc, char **argv) {
    if (argc != 4) return fputs("usage: check_numbers FILE SIZE COUNT\n", stderr), 2;
    struct stat status;
    int fd = open(argv[1], O_RDONLY);
    size = (size_t)atol(argv[2]), count = atol(argv[3]), seen = calloc((size_t)count + 1, 1);
    if (fd < 0 || fstat(fd, &status) < 0 || !seen) return perror(argv[1]), 1;
    if (size < 1 + NUMBER || size > LONGEST) return fputs("check_numbers: a number is out of range\n", stderr), 2;
    size_t length = (size_t)status.st_size;
    if (length > 0) {
        at = mmap(NULL, length, PROT_READ, MAP_PRIVATE | MAP_POPULATE, fd, 0);
        if (at == MAP_FAILED) return perror(argv[1]), 1;
        end = at + length;
        uint32_t magic = length >= PCAP ? word(at) : 0;
        if (magic == 0xa1b2c3d4 || magic == 0xa1b23c4d) take_pcap();
        else if (magic == 0x0a0d0d0a) take_pcapng();
        else if (*at == '#') take_payloads();
        else take_lines();
    }
    printf("%ld %ld %ld\n", distinct, doubled, broken);
    return 0;
}
