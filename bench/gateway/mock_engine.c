// A stand-in for an engine: answers chat completions at once, or as a paced event stream. One thread, epoll.
//
//   mock_engine PORT EVENTS INTERVAL_MS
//
// A stream has EVENTS events INTERVAL_MS apart, the first one at once, then one with `usage`, then [DONE]. Everything
// else (health checks) is answered 200. It does no more than a benchmark needs: it trusts its clients.
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/timerfd.h>
#include <time.h>
#include <unistd.h>

enum { MOST_CONNECTIONS = 65536, READ_STEP = 32 * 1024 };

typedef struct {
    int fd;
    char *buffer;
    size_t length, room;
    int sent;        // events of the running stream
    int place;       // in `streaming`, -1 while no stream runs
    long long due;   // when its next event is due, in µs
} Connection;

static Connection *connections[MOST_CONNECTIONS];
static Connection *streaming[MOST_CONNECTIONS];
static int streams, poller, events_per_stream, interval_us;
static char whole_answer[2048], health_answer[256];

static const char *STREAM_HEAD =
    "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream; charset=utf-8\r\nTransfer-Encoding: chunked\r\n\r\n";
static const char *CHUNK =
    "data: {\"id\":\"chatcmpl-8f2c1d7e9a0b4c55\",\"object\":\"chat.completion.chunk\",\"created\":1764000000,"
    "\"model\":\"bench\",\"choices\":[{\"index\":0,\"delta\":{\"content\":\" tok%03d\"},\"logprobs\":null,"
    "\"finish_reason\":null}]}\n\n";
static const char *LAST =
    "data: {\"id\":\"chatcmpl-8f2c1d7e9a0b4c55\",\"object\":\"chat.completion.chunk\",\"created\":1764000000,"
    "\"model\":\"bench\",\"choices\":[],\"usage\":{\"prompt_tokens\":400,\"completion_tokens\":%d,"
    "\"total_tokens\":%d}}\n\ndata: [DONE]\n\n";
static const char *WHOLE =
    "{\"id\":\"chatcmpl-8f2c1d7e9a0b4c55\",\"object\":\"chat.completion\",\"created\":1764000000,\"model\":\"bench\","
    "\"choices\":[{\"index\":0,\"message\":{\"role\":\"assistant\",\"content\":\"The capital of France is Paris. It "
    "sits on the Seine and has been the seat of government for most of the last thousand years; about two million "
    "people live inside the city limits and more than ten million in the wider urban area.\"},\"finish_reason\":"
    "\"stop\"}],\"usage\":{\"prompt_tokens\":400,\"completion_tokens\":64,\"total_tokens\":464}}";

static long long now_us(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return t.tv_sec * 1000000LL + t.tv_nsec / 1000;
}

static void end_stream(Connection *c) {
    if (c->place < 0) return;
    streaming[c->place] = streaming[--streams];
    streaming[c->place]->place = c->place;
    c->place = -1;
}

static void drop(Connection *c) {
    end_stream(c);
    connections[c->fd] = NULL;
    close(c->fd);
    free(c->buffer);
    free(c);
}

// 0 when all was written. A peer that does not read is waited for: in these runs every peer reads.
static int write_all(Connection *c, const char *bytes, size_t length) {
    while (length) {
        ssize_t n = send(c->fd, bytes, length, MSG_NOSIGNAL);
        if (n < 0) {
            if (errno != EAGAIN) return -1;
            usleep(50);
            continue;
        }
        bytes += n;
        length -= (size_t)n;
    }
    return 0;
}

static int next_event(Connection *c) {
    char event[768], chunk[900];
    int last = c->sent == events_per_stream;
    int size = last ? snprintf(event, sizeof event, LAST, events_per_stream, events_per_stream + 400)
                    : snprintf(event, sizeof event, CHUNK, c->sent);
    int length = snprintf(chunk, sizeof chunk, "%x\r\n%s\r\n%s", size, event, last ? "0\r\n\r\n" : "");
    c->sent++;
    return write_all(c, chunk, (size_t)length);
}

// Answers every whole request in the buffer; stops where a stream begins. -1 when the connection is gone.
static int answer(Connection *c) {
    while (c->place < 0) {
        c->buffer[c->length] = 0;
        char *head_end = strstr(c->buffer, "\r\n\r\n");
        if (!head_end) return 0;
        size_t head = (size_t)(head_end - c->buffer) + 4, body = 0;
        char *field = strcasestr(c->buffer, "\r\ncontent-length:");
        if (field && field < head_end) body = strtoul(field + 17, NULL, 10);
        if (c->length < head + body) return 0;
        int chat = strncmp(c->buffer, "POST /v1/chat/completions ", 26) == 0;
        int stream = chat && memmem(c->buffer + head, body, "\"stream\":true", 13) != NULL;
        c->length -= head + body;
        memmove(c->buffer, c->buffer + head + body, c->length);
        if (!stream) {
            const char *text = chat ? whole_answer : health_answer;
            if (write_all(c, text, strlen(text))) return -1;
            continue;
        }
        c->place = streams;
        streaming[streams++] = c;
        c->sent = 0;
        c->due = now_us() + interval_us;
        if (write_all(c, STREAM_HEAD, strlen(STREAM_HEAD)) || next_event(c)) return -1;
    }
    return 0;
}

static void accept_all(int listener) {
    int on = 1, fd;
    while ((fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK)) >= 0) {
        if (fd >= MOST_CONNECTIONS) {
            close(fd);
            continue;
        }
        setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
        Connection *c = calloc(1, sizeof *c);
        c->fd = fd;
        c->place = -1;
        connections[fd] = c;
        struct epoll_event event = {.events = EPOLLIN, .data.fd = fd};
        epoll_ctl(poller, EPOLL_CTL_ADD, fd, &event);
    }
}

static void read_from(Connection *c) {
    if (c->room - c->length < READ_STEP) {
        c->room = c->length + 2 * READ_STEP;
        c->buffer = realloc(c->buffer, c->room + 1);
    }
    ssize_t n = recv(c->fd, c->buffer + c->length, c->room - c->length, 0);
    if (n < 0 && errno == EAGAIN) return;
    if (n > 0) c->length += (size_t)n;
    if (n <= 0 || answer(c)) drop(c);
}

static void send_due(void) {
    long long now = now_us();
    for (int i = 0; i < streams;) {
        Connection *c = streaming[i];
        if (c->due > now) {
            i++;
            continue;
        }
        c->due += interval_us;
        int lost = next_event(c);
        if (!lost && c->sent <= events_per_stream) {
            i++;
            continue;
        }
        end_stream(c);  // puts another one at place i
        if (lost || answer(c)) drop(c);
    }
}

int main(int count, char **arguments) {
    if (count != 4) {
        fprintf(stderr, "usage: mock_engine PORT EVENTS INTERVAL_MS\n");
        return 2;
    }
    events_per_stream = atoi(arguments[2]);
    interval_us = atoi(arguments[3]) * 1000;
    snprintf(whole_answer, sizeof whole_answer,
             "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %zu\r\n\r\n%s", strlen(WHOLE), WHOLE);
    snprintf(health_answer, sizeof health_answer, "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}");
    int listener = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0), on = 1;
    setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons((unsigned short)atoi(arguments[1]))};
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    if (bind(listener, (void *)&address, sizeof address) || listen(listener, 4096)) {
        perror("mock_engine: bind");
        return 1;
    }
    poller = epoll_create1(0);
    int timer = timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK);
    struct itimerspec every = {{0, 1000000}, {0, 1000000}};
    timerfd_settime(timer, 0, &every, NULL);
    int watched[2] = {listener, timer};
    for (int i = 0; i < 2; i++) {
        struct epoll_event event = {.events = EPOLLIN, .data.fd = watched[i]};
        epoll_ctl(poller, EPOLL_CTL_ADD, watched[i], &event);
    }
    for (;;) {
        struct epoll_event ready[512];
        int n = epoll_wait(poller, ready, 512, -1);
        for (int i = 0; i < n; i++) {
            int fd = ready[i].data.fd;
            if (fd == listener) {
                accept_all(listener);
            } else if (fd == timer) {
                unsigned long long ticks;
                if (read(timer, &ticks, sizeof ticks) > 0) send_due();
            } else if (connections[fd]) {
                read_from(connections[fd]);
            }
        }
    }
}
