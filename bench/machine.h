// What the generators share: the time, processor time, and their own processor.
#pragma once
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

static double now(void) {
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return (double)time.tv_sec + (double)time.tv_nsec / 1e9;
}

// User and system time of a process, its threads and the children that it has waited for (proc(5)).
static double cpu_seconds(const char *pid) {
    char path[320], stat[1024] = "";
    snprintf(path, sizeof path, "/proc/%s/stat", pid);
    FILE *file = fopen(path, "r");
    if (!file) return 0;
    size_t length = fread(stat, 1, sizeof stat - 1, file);
    fclose(file);
    stat[length] = 0;
    char *after_name = strrchr(stat, ')');
    unsigned long user = 0, system = 0, children_user = 0, children_system = 0;
    if (after_name)
        sscanf(after_name + 2, "%*c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %lu %lu %lu %lu", &user, &system,
               &children_user, &children_system);
    return (double)(user + system + children_user + children_system) / (double)sysconf(_SC_CLK_TCK);
}

// What all processors have done but idling and waiting for disks.
static double machine_seconds(void) {
    unsigned long user = 0, nice = 0, system = 0, interrupt = 0, soft = 0, stolen = 0;
    FILE *file = fopen("/proc/stat", "r");
    if (!file) return 0;
    int fields = fscanf(file, "cpu %lu %lu %lu %*u %*u %lu %lu %lu", &user, &nice, &system, &interrupt, &soft, &stolen);
    fclose(file);
    return fields < 6 ? 0 : (double)(user + nice + system + interrupt + soft + stolen) / (double)sysconf(_SC_CLK_TCK);
}

// Alone on the last processor: were a generator to move about, it would now and then sit on the server's.
static void move_to_last_processor(void) {
    cpu_set_t last;
    CPU_ZERO(&last);
    CPU_SET((unsigned)sysconf(_SC_NPROCESSORS_ONLN) - 1, &last);
    sched_setaffinity(0, sizeof last, &last);
}
