/* splice_loop PORT WORKERS BACKEND: relays TCP connections by splice(2), and does nothing else.
 *
 * The least that a proxy that splices can do: one thread, one epoll, two pipes per connection, no time-outs, no limits, one
 * backend. What chapter 9's program costs beyond it is the price of all that it has and this has not.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

enum { PIPE_BYTES = 1 << 20, MAX_EVENTS = 64, BACKLOG = 1024 };

/* One direction: what was read from one socket, and waits in the pipe for the other. */
struct direction {
    int from, to;
    int pipe[2];
    size_t held;
    int at_eof, finished;
};

struct session {
    int client, backend;
    struct direction up, down;
    int dead;
    struct session *next_dead;
};

static void fail(const char *what) {
    perror(what);
    exit(1);
}

/* Moves bytes until a socket has none, or takes none. Returns -1 if one has failed. */
static int pump(struct direction *d) {
    while (!d->finished) {
        while (d->held > 0) {
            ssize_t sent = splice(d->pipe[0], NULL, d->to, NULL, d->held, SPLICE_F_NONBLOCK | SPLICE_F_MOVE);
            if (sent < 0)
                return errno == EAGAIN ? 0 : -1;
            d->held -= (size_t)sent;
        }
        if (d->at_eof) {
            shutdown(d->to, SHUT_WR);
            d->finished = 1;
            break;
        }
        ssize_t received = splice(d->from, NULL, d->pipe[1], NULL, PIPE_BYTES, SPLICE_F_NONBLOCK | SPLICE_F_MOVE);
        if (received < 0)
            return errno == EAGAIN ? 0 : -1; /* the pipe is empty, so the socket is too */
        d->at_eof = received == 0;
        d->held = (size_t)received;
    }
    return 0;
}

static int direction_init(struct direction *d, int from, int to) {
    d->from = from;
    d->to = to;
    if (pipe2(d->pipe, O_NONBLOCK | O_CLOEXEC) < 0)
        return -1;
    fcntl(d->pipe[1], F_SETPIPE_SZ, PIPE_BYTES); /* the kernel may grant less */
    return 0;
}

static void session_close(struct session *s) {
    int fds[] = {s->client, s->backend, s->up.pipe[0], s->up.pipe[1], s->down.pipe[0], s->down.pipe[1]};
    for (size_t i = 0; i < sizeof fds / sizeof *fds; i++)
        if (fds[i] >= 0)
            close(fds[i]);
    free(s);
}

/* Both directions in one registration per socket: edge-triggered, so that interest never changes. */
static int session_watch(struct session *s, int epoll) {
    struct epoll_event event = {.events = EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET, .data.ptr = s};
    int one = 1;
    int fds[] = {s->client, s->backend};
    for (int i = 0; i < 2; i++) {
        setsockopt(fds[i], IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
        if (epoll_ctl(epoll, EPOLL_CTL_ADD, fds[i], &event) < 0)
            return -1;
    }
    return 0;
}

static void session_open(int client, int epoll, const struct sockaddr_in *address) {
    struct session *s = calloc(1, sizeof *s);
    if (!s)
        fail("calloc");
    s->client = client;
    s->up.pipe[0] = s->up.pipe[1] = s->down.pipe[0] = s->down.pipe[1] = -1;
    s->backend = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (s->backend < 0 || direction_init(&s->up, client, s->backend) < 0 ||
        direction_init(&s->down, s->backend, client) < 0 ||
        (connect(s->backend, (const struct sockaddr *)address, sizeof *address) < 0 && errno != EINPROGRESS) ||
        session_watch(s, epoll) < 0)
        session_close(s);
}

static void accept_all(int listener, int epoll, const struct sockaddr_in *address) {
    int client;
    while ((client = accept4(listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC)) >= 0)
        session_open(client, epoll, address);
    if (errno != EAGAIN && errno != ECONNABORTED && errno != EINTR)
        fail("accept");
}

static int listen_on(unsigned short port) {
    struct sockaddr_in address = {
        .sin_family = AF_INET, .sin_port = htons(port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t length = sizeof address;
    int one = 1, listener = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (listener < 0)
        fail("socket");
    setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
    if (bind(listener, (struct sockaddr *)&address, length) < 0 || listen(listener, BACKLOG) < 0 ||
        getsockname(listener, (struct sockaddr *)&address, &length) < 0)
        fail("listen");
    printf("listening on 127.0.0.1:%d\n", ntohs(address.sin_port));
    fflush(stdout);
    return listener;
}

/* Runs until it is killed. Sessions are freed after all events of a batch: another event may name them too. */
static void run(int listener, const struct sockaddr_in *address) {
    int epoll = epoll_create1(EPOLL_CLOEXEC);
    struct epoll_event events[MAX_EVENTS], event = {.events = EPOLLIN, .data.ptr = NULL};
    if (epoll < 0 || epoll_ctl(epoll, EPOLL_CTL_ADD, listener, &event) < 0)
        fail("epoll");
    for (;;) {
        struct session *dead = NULL;
        int count = epoll_wait(epoll, events, MAX_EVENTS, -1);
        for (int i = 0; i < count; i++) {
            struct session *s = events[i].data.ptr;
            if (!s) {
                accept_all(listener, epoll, address);
            } else if (!s->dead) {
                int failed = pump(&s->up) < 0 || pump(&s->down) < 0;
                if (failed || (s->up.finished && s->down.finished)) {
                    s->dead = 1;
                    s->next_dead = dead;
                    dead = s;
                }
            }
        }
        while (dead) {
            struct session *next = dead->next_dead;
            session_close(dead);
            dead = next;
        }
    }
}

int main(int argc, char **argv) {
    struct sockaddr_in address = {.sin_family = AF_INET};
    char *colon = argc == 4 ? strchr(argv[3], ':') : NULL;
    if (!colon || strcmp(argv[2], "1") != 0) {
        fprintf(stderr, "usage: splice_loop PORT 1 IP:PORT\n");
        return 64;
    }
    *colon = '\0';
    address.sin_port = htons((unsigned short)atoi(colon + 1));
    if (inet_pton(AF_INET, argv[3], &address.sin_addr) != 1) {
        fprintf(stderr, "splice_loop: %s is no IPv4 address\n", argv[3]);
        return 64;
    }
    signal(SIGPIPE, SIG_IGN);
    run(listen_on((unsigned short)atoi(argv[1])), &address);
}
