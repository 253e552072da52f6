/* datagram_relay PORT WORKERS BACKEND: relays UDP datagrams of clients on 127.0.0.1, and does nothing else.
 *
 * The least that a proxy with a socket per flow can do: one thread, one epoll, batches of datagrams, a table that is indexed
 * by the client's port, no time-outs, no limits, one backend. What chapter 9's program costs beyond it is the price of all
 * that it has and this has not.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

enum { BATCH = 32, DATAGRAM_BYTES = 2048, MAX_EVENTS = 256, PORTS = 1 << 16, LISTENER = PORTS };

static int flows[PORTS]; /* by the client's port: the socket to the backend, or 0 */
static char buffers[BATCH][DATAGRAM_BYTES];
static struct iovec slices[BATCH];
static struct sockaddr_in sources[BATCH];
static struct mmsghdr messages[BATCH];

static void fail(const char *what) {
    perror(what);
    exit(1);
}

/* Returns how many have arrived, with their sources if they are asked for. */
static int receive(int socket, int with_sources) {
    for (int i = 0; i < BATCH; i++) {
        slices[i] = (struct iovec){buffers[i], DATAGRAM_BYTES};
        messages[i].msg_hdr = (struct msghdr){.msg_iov = &slices[i], .msg_iovlen = 1};
        if (with_sources) {
            messages[i].msg_hdr.msg_name = &sources[i];
            messages[i].msg_hdr.msg_namelen = sizeof sources[i];
        }
    }
    return recvmmsg(socket, messages, BATCH, MSG_DONTWAIT, NULL);
}

static int flow_of(int port, int epoll, const struct sockaddr_in *backend) {
    if (flows[port] == 0) {
        struct epoll_event event = {.events = EPOLLIN, .data.u32 = (unsigned)port};
        int upstream = socket(AF_INET, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
        if (upstream < 0 || connect(upstream, (const struct sockaddr *)backend, sizeof *backend) < 0 ||
            epoll_ctl(epoll, EPOLL_CTL_ADD, upstream, &event) < 0)
            fail("flow");
        flows[port] = upstream;
    }
    return flows[port];
}

/* What cannot be sent is lost, as anywhere on the way. A run of one client's datagrams is sent by one call. */
static void on_clients(int listener, int epoll, const struct sockaddr_in *backend) {
    int count = receive(listener, 1);
    for (int first = 0, next; first < count; first = next) {
        for (next = first; next < count && sources[next].sin_port == sources[first].sin_port; next++) {
            slices[next].iov_len = messages[next].msg_len;
            messages[next].msg_hdr.msg_name = NULL;
            messages[next].msg_hdr.msg_namelen = 0;
        }
        int upstream = flow_of(ntohs(sources[first].sin_port), epoll, backend);
        sendmmsg(upstream, messages + first, (unsigned)(next - first), MSG_DONTWAIT);
    }
}

static void on_backend(int listener, int port) {
    struct sockaddr_in client = {
        .sin_family = AF_INET, .sin_port = htons((unsigned short)port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    int count = receive(flows[port], 0);
    for (int i = 0; i < count; i++) {
        slices[i].iov_len = messages[i].msg_len;
        messages[i].msg_hdr.msg_name = &client;
        messages[i].msg_hdr.msg_namelen = sizeof client;
    }
    if (count > 0)
        sendmmsg(listener, messages, (unsigned)count, MSG_DONTWAIT);
}

static int bind_to(unsigned short port) {
    struct sockaddr_in address = {
        .sin_family = AF_INET, .sin_port = htons(port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t length = sizeof address;
    int listener = socket(AF_INET, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (listener < 0 || bind(listener, (struct sockaddr *)&address, length) < 0 ||
        getsockname(listener, (struct sockaddr *)&address, &length) < 0)
        fail("bind");
    printf("listening on 127.0.0.1:%d\n", ntohs(address.sin_port));
    fflush(stdout);
    return listener;
}

/* Runs until it is killed. */
static void run(int listener, const struct sockaddr_in *backend) {
    int epoll = epoll_create1(EPOLL_CLOEXEC);
    struct epoll_event events[MAX_EVENTS], event = {.events = EPOLLIN, .data.u32 = LISTENER};
    if (epoll < 0 || epoll_ctl(epoll, EPOLL_CTL_ADD, listener, &event) < 0)
        fail("epoll");
    for (;;) {
        int count = epoll_wait(epoll, events, MAX_EVENTS, -1);
        for (int i = 0; i < count; i++) {
            if (events[i].data.u32 == LISTENER)
                on_clients(listener, epoll, backend);
            else
                on_backend(listener, (int)events[i].data.u32);
        }
    }
}

int main(int argc, char **argv) {
    struct sockaddr_in backend = {.sin_family = AF_INET};
    char *colon = argc == 4 ? strchr(argv[3], ':') : NULL;
    if (!colon || strcmp(argv[2], "1") != 0) {
        fprintf(stderr, "usage: datagram_relay PORT 1 IP:PORT\n");
        return 64;
    }
    *colon = '\0';
    backend.sin_port = htons((unsigned short)atoi(colon + 1));
    if (inet_pton(AF_INET, argv[3], &backend.sin_addr) != 1) {
        fprintf(stderr, "datagram_relay: %s is no IPv4 address\n", argv[3]);
        return 64;
    }
    run(bind_to((unsigned short)atoi(argv[1])), &backend);
}
