/* The floor: what a connection costs when nothing is done with it.
 *
 *   floor visit FIRST COUNT PORT CONCURRENCY [quit]
 *       Connect to COUNT addresses from FIRST on, CONCURRENCY at a time, read each greeting, close. With `quit`,
 *       send QUIT after the greeting, wait for the 221, and close. One line of JSON says what was done.
 *   floor serve PORT [DEVICE [SILENT]]
 *       Greet every connection at once; answer QUIT with 221 and close, anything else with 250. Connections may come
 *       from DEVICE: "lo" unless named, "any" inside a network namespace. SILENT percent of the addresses say nothing.
 *
 * One thread, one level-triggered epoll, one wake-up for each thing that has to be read, no allocation per host, no
 * parsing, no output: no client that visits every host by TCP through the kernel's sockets costs much less, so every
 * other client is measured as a multiple of this one. The server is as lean, so that it is not the bottleneck. Each
 * host greets with its own name: a client that keeps answers by greeting gains nothing here.
 *
 * Only 127.0.0.0/8 (loopback) is ever visited, and 198.18.0.0/15 (RFC 2544: benchmarks) in a network namespace without
 * a default route. When nothing happens for 20 s, what is still open counts as failed.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum { BATCH = 512, STALL_MS = 20000, LIFE_S = 7200, MAX_FD = 1 << 20 };

enum phase { UNUSED, GREETING, GOODBYE };

static uint8_t phase_of[MAX_FD]; /* by descriptor */

static const char QUIT[] = "QUIT\r\n";
static const char AGREED[] = "250 mail.example.com\r\n";
static const char CLOSING[] = "221 2.0.0 closing connection\r\n";

static void die(const char *what)
{
    fprintf(stderr, "floor: %s: %s\n", what, strerror(errno));
    exit(1);
}

static void usage(void)
{
    fputs("usage: floor visit FIRST COUNT PORT CONCURRENCY [quit]\n       floor serve PORT [DEVICE [SILENT]]\n", stderr);
    exit(2);
}

static long number(const char *text, long low, long high)
{
    char *end;
    long value = strtol(text, &end, 10);
    if (*text == '\0' || *end != '\0' || value < low || value > high)
        usage();
    return value;
}

static void raise_descriptor_limit(void)
{
    struct rlimit limit;
    if (getrlimit(RLIMIT_NOFILE, &limit) != 0)
        die("getrlimit");
    limit.rlim_cur = limit.rlim_max < MAX_FD ? limit.rlim_max : MAX_FD;
    if (setrlimit(RLIMIT_NOFILE, &limit) != 0)
        die("setrlimit");
}

static void watch(int poll_fd, int fd)
{
    struct epoll_event event = {.events = EPOLLIN, .data.fd = fd};
    if (epoll_ctl(poll_fd, EPOLL_CTL_ADD, fd, &event) != 0)
        die("epoll_ctl");
}

/* ---- visit ------------------------------------------------------------------------------------------------- */

struct visit {
    int poll_fd;
    uint32_t next, end; /* addresses, host byte order; end is not visited */
    uint16_t port;
    int quit;
    long open, greeted, failed;
};

/* Whether packets can leave: a default route (destination and mask zero) in this network namespace, or no answer. */
static int has_way_out(void)
{
    char line[256];
    unsigned destination, mask;
    int found = 0;
    FILE *routes = fopen("/proc/net/route", "r");
    if (routes == NULL)
        return 1;
    while (fgets(line, sizeof line, routes) != NULL)
        if (sscanf(line, "%*s %x %*x %*x %*d %*d %*d %x", &destination, &mask) == 2)
            found |= destination == 0 && mask == 0;
    fclose(routes);
    return found;
}

static int may_be_visited(uint32_t address)
{
    return address >> 24 == 127 || (address >> 17 == (198u << 7 | 18u >> 1) && !has_way_out());
}

/* Start the connection to the next address. A failure at once is counted, like one that comes later. */
static void start_one(struct visit *visit)
{
    struct sockaddr_in peer = {.sin_family = AF_INET, .sin_port = htons(visit->port)};
    peer.sin_addr.s_addr = htonl(visit->next++);
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0 || fd >= MAX_FD)
        die("socket");
    if (connect(fd, (struct sockaddr *)&peer, sizeof peer) != 0 && errno != EINPROGRESS) {
        close(fd);
        visit->failed++;
        return;
    }
    phase_of[fd] = GREETING;
    watch(visit->poll_fd, fd);
    visit->open++;
}

static void finish_one(struct visit *visit, int fd)
{
    close(fd);
    phase_of[fd] = UNUSED;
    visit->open--;
}

/* Read what is there. The servers measured here send a greeting in one piece, so one read is one phase. */
static void advance_one(struct visit *visit, int fd)
{
    char buffer[4096];
    ssize_t length = recv(fd, buffer, sizeof buffer, 0);
    if (phase_of[fd] == GREETING && length <= 0)
        visit->failed++;
    if (phase_of[fd] == GREETING && length > 0) {
        visit->greeted++;
        if (visit->quit && send(fd, QUIT, sizeof QUIT - 1, MSG_NOSIGNAL) > 0) {
            phase_of[fd] = GOODBYE;
            return;
        }
    }
    finish_one(visit, fd);
}

static double seconds(struct timeval time)
{
    return (double)time.tv_sec + (double)time.tv_usec / 1e6;
}

static void report(const struct visit *visit, double wall_s)
{
    struct rusage usage;
    getrusage(RUSAGE_SELF, &usage);
    printf("{\"greeted\": %ld, \"failed\": %ld, \"wall_s\": %.6f, \"user_s\": %.6f, \"sys_s\": %.6f}\n",
           visit->greeted, visit->failed, wall_s, seconds(usage.ru_utime), seconds(usage.ru_stime));
}

static int visit_all(struct visit *visit, long concurrency)
{
    struct epoll_event events[BATCH];
    struct timespec start, stop;
    clock_gettime(CLOCK_MONOTONIC, &start);
    while (visit->next != visit->end || visit->open > 0) {
        while (visit->open < concurrency && visit->next != visit->end)
            start_one(visit);
        int ready = epoll_wait(visit->poll_fd, events, BATCH, STALL_MS);
        if (ready < 0 && errno != EINTR)
            die("epoll_wait");
        if (ready == 0) { /* nothing for 20 s: whatever is still open has failed */
            visit->failed += visit->open + (long)(visit->end - visit->next);
            break;
        }
        for (int i = 0; i < ready; i++)
            advance_one(visit, events[i].data.fd);
    }
    clock_gettime(CLOCK_MONOTONIC, &stop);
    report(visit, (double)(stop.tv_sec - start.tv_sec) + (double)(stop.tv_nsec - start.tv_nsec) / 1e9);
    return visit->failed == 0 ? 0 : 3;
}

/* ---- serve ------------------------------------------------------------------------------------------------- */

static int listen_on(uint16_t port, const char *device)
{
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0), on = 1;
    struct sockaddr_in here = {.sin_family = AF_INET, .sin_port = htons(port), .sin_addr.s_addr = INADDR_ANY};
    if (fd < 0 || setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on) != 0)
        die("socket");
    if (strcmp(device, "any") != 0 && setsockopt(fd, SOL_SOCKET, SO_BINDTODEVICE, device,
                                              (socklen_t)strlen(device)) != 0)
        die(device);
    if (bind(fd, (struct sockaddr *)&here, sizeof here) != 0 || listen(fd, 65535) != 0)
        die("listen");
    return fd;
}

/* Greet one new connection by the name of the address it came to. */
static void greet(int poll_fd, int fd, long silent_percent)
{
    struct sockaddr_in here;
    socklen_t size = sizeof here;
    char greeting[128];
    if (fd >= MAX_FD || getsockname(fd, (struct sockaddr *)&here, &size) != 0) {
        close(fd);
        return;
    }
    uint32_t address = ntohl(here.sin_addr.s_addr);
    watch(poll_fd, fd);
    if ((long)(address % 100) < silent_percent)
        return;
    int length = snprintf(greeting, sizeof greeting,
                          "220 mail-%08x.example.com ESMTP Sendmail 8.14.7/8.13.8; Sun, 22 Nov 2026 10:16:56 GMT\r\n",
                          address);
    send(fd, greeting, (size_t)length, MSG_NOSIGNAL);
}

static void accept_all(int poll_fd, int listener, long silent_percent)
{
    for (;;) {
        int fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
        if (fd >= 0)
            greet(poll_fd, fd, silent_percent);
        else if (errno != ECONNABORTED)
            return; /* EAGAIN; or no descriptor is left, and then the next close makes room */
    }
}

/* QUIT ends the connection; any other command (the EHLO of some clients) is agreed to. */
static void answer(int fd)
{
    char buffer[512];
    ssize_t length = recv(fd, buffer, sizeof buffer, 0);
    if (length >= 4 && strncasecmp(buffer, "QUIT", 4) != 0) {
        send(fd, AGREED, sizeof AGREED - 1, MSG_NOSIGNAL);
        return;
    }
    if (length > 0)
        send(fd, CLOSING, sizeof CLOSING - 1, MSG_NOSIGNAL);
    close(fd);
}

static void serve(uint16_t port, const char *device, long silent_percent)
{
    int poll_fd = epoll_create1(EPOLL_CLOEXEC), listener = listen_on(port, device);
    struct epoll_event events[BATCH];
    if (poll_fd < 0)
        die("epoll_create1");
    watch(poll_fd, listener);
    puts("listening");
    fflush(stdout);
    for (;;) {
        int ready = epoll_wait(poll_fd, events, BATCH, -1);
        if (ready < 0 && errno != EINTR)
            die("epoll_wait");
        for (int i = 0; i < ready; i++) {
            if (events[i].data.fd == listener)
                accept_all(poll_fd, listener, silent_percent);
            else
                answer(events[i].data.fd);
        }
    }
}

int main(int argc, char **argv)
{
    prctl(PR_SET_PDEATHSIG, SIGKILL); /* never outlive the benchmark ... */
    alarm(LIFE_S);                    /* ... and never run for ever */
    raise_descriptor_limit();
    if (argc >= 3 && argc <= 5 && strcmp(argv[1], "serve") == 0)
        serve((uint16_t)number(argv[2], 1, 65535), argc > 3 ? argv[3] : "lo", argc > 4 ? number(argv[4], 0, 100) : 0);
    if ((argc != 6 && argc != 7) || strcmp(argv[1], "visit") != 0 || (argc == 7 && strcmp(argv[6], "quit") != 0))
        usage();
    struct in_addr first;
    if (inet_pton(AF_INET, argv[2], &first) != 1)
        usage();
    struct visit visit = {.next = ntohl(first.s_addr), .port = (uint16_t)number(argv[4], 1, 65535), .quit = argc == 7};
    visit.end = visit.next + (uint32_t)number(argv[3], 1, 1 << 24);
    if (!may_be_visited(visit.next) || !may_be_visited(visit.end - 1)) {
        fputs("floor: only 127.0.0.0/8 is visited, and 198.18.0.0/15 where no route leads out\n", stderr);
        return 2;
    }
    visit.poll_fd = epoll_create1(EPOLL_CLOEXEC);
    if (visit.poll_fd < 0)
        die("epoll_create1");
    return visit_all(&visit, number(argv[5], 1, MAX_FD - 64));
}
