// A client of event streams that costs less than what it measures. One thread, epoll.
//
//   stream_load PORT STREAMS SECONDS BODY_FILE KEY    STREAMS at a time, each one begun again when it ends
//   stream_load PORT STREAMS hold    BODY_FILE KEY    opens STREAMS, says so, keeps them until its input ends
//
// Prints one line of JSON. Time to first token is from the request's last byte to the first byte of the answer's body.
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum { LARGEST_HEAD = 4096, MOST_SAMPLES = 4000000 };

typedef struct {
    int fd, status, in_body, head_length, tail_length;
    long long began;
    int first_token;          // µs
    char tail[8];             // the body's last bytes: they show its end
    char head[LARGEST_HEAD];
} Stream;

static struct sockaddr_in gateway = {.sin_family = AF_INET};
static char *request;
static size_t request_length;
static int poller;
static int *first_tokens;
static long finished, failed, events, bodies_begun;

static long long now_us(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return t.tv_sec * 1000000LL + t.tv_nsec / 1000;
}

static void open_connection(Stream *s) {
    int on = 1;
    if (s->fd > 0) close(s->fd);
    s->fd = socket(AF_INET, SOCK_STREAM, 0);
    setsockopt(s->fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    if (connect(s->fd, (void *)&gateway, sizeof gateway)) {
        perror("stream_load: connect");
        exit(1);
    }
    struct epoll_event event = {.events = EPOLLIN, .data.ptr = s};
    epoll_ctl(poller, EPOLL_CTL_ADD, s->fd, &event);
}

static void begin(Stream *s) {
    s->status = s->in_body = s->head_length = s->tail_length = 0;
    for (size_t sent = 0; sent < request_length;) {
        ssize_t n = send(s->fd, request + sent, request_length - sent, MSG_NOSIGNAL);
        if (n > 0) {
            sent += (size_t)n;
        } else {
            open_connection(s);
            sent = 0;
        }
    }
    s->began = now_us();
}

// Takes bytes of the body; 1 at its end, which is the last chunk.
static int take_body(Stream *s, const char *bytes, int length, long long now) {
    if (length <= 0) return 0;
    if (!s->in_body) {
        s->in_body = 1;
        s->first_token = (int)(now - s->began);
        bodies_begun++;
    }
    for (const char *at = bytes; (at = memmem(at, (size_t)(bytes + length - at), "data: ", 6)); at += 6) events++;
    int keep = length < 5 ? length : 5;
    int old = s->tail_length + keep > 5 ? 5 - keep : s->tail_length;
    memmove(s->tail, s->tail + s->tail_length - old, (size_t)old);
    memcpy(s->tail + old, bytes + length - keep, (size_t)keep);
    s->tail_length = old + keep;
    return s->tail_length == 5 && memcmp(s->tail, "0\r\n\r\n", 5) == 0;
}

static int take(Stream *s, const char *bytes, int length, long long now) {
    if (s->status) return take_body(s, bytes, length, now);
    int room = LARGEST_HEAD - 1 - s->head_length, before = s->head_length;
    int copied = length < room ? length : room;
    memcpy(s->head + before, bytes, (size_t)copied);
    s->head_length += copied;
    s->head[s->head_length] = 0;
    char *end = strstr(s->head, "\r\n\r\n");
    if (!end) return 0;
    s->status = atoi(s->head + 9);
    int body = (int)(end - s->head) + 4 - before;
    if (s->status != 200) {
        failed++;
        open_connection(s);
        return 1;
    }
    return take_body(s, bytes + body, length - body, now);
}

static int by_value(const void *left, const void *right) {
    return *(const int *)left - *(const int *)right;
}

static void read_request(const char *file, const char *key, int port) {
    FILE *in = fopen(file, "r");
    if (!in) {
        perror("stream_load: body");
        exit(1);
    }
    char *body = malloc(1 << 22);
    size_t length = fread(body, 1, 1 << 22, in);
    fclose(in);
    request = malloc(length + 1024);
    int head = sprintf(request,
                       "POST /v1/chat/completions HTTP/1.1\r\nHost: 127.0.0.1:%d\r\nAuthorization: Bearer %.256s\r\n"
                       "Content-Type: application/json\r\nContent-Length: %zu\r\n\r\n", port, key, length);
    memcpy(request + head, body, length);
    request_length = (size_t)head + length;
    free(body);
}

int main(int count, char **arguments) {
    if (count != 6) {
        fprintf(stderr, "usage: stream_load PORT STREAMS SECONDS|hold BODY_FILE KEY\n");
        return 2;
    }
    int streams = atoi(arguments[2]), hold = strcmp(arguments[3], "hold") == 0;
    gateway.sin_port = htons((unsigned short)atoi(arguments[1]));
    gateway.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    read_request(arguments[4], arguments[5], atoi(arguments[1]));
    first_tokens = malloc(MOST_SAMPLES * sizeof *first_tokens);
    poller = epoll_create1(0);
    Stream *all = calloc((size_t)streams, sizeof *all);
    for (int i = 0; i < streams; i++) open_connection(&all[i]);
    // Begun over 0.3 s: a crowd that starts in one moment would measure its own queue.
    for (int i = 0; i < streams; i++) {
        begin(&all[i]);
        usleep((useconds_t)(300000 / streams));
    }
    long long start = now_us(), end = hold ? start + 120000000LL : start + (long long)(atof(arguments[3]) * 1e6);
    events = 0;
    static char bytes[1 << 18];
    while (now_us() < end && !(hold && bodies_begun == streams)) {
        struct epoll_event ready[256];
        int n = epoll_wait(poller, ready, 256, 100);
        for (int i = 0; i < n; i++) {
            Stream *s = ready[i].data.ptr;
            ssize_t length = recv(s->fd, bytes, sizeof bytes, 0);
            long long now = now_us();
            if (length <= 0) {
                failed++;
                open_connection(s);
            } else if (!take(s, bytes, (int)length, now)) {
                continue;
            } else if (s->status == 200 && s->began >= start && finished < MOST_SAMPLES) {
                first_tokens[finished++] = s->first_token;
            }
            begin(s);
        }
    }
    double seconds = (double)(now_us() - start) / 1e6;
    if (hold) {
        printf("{\"open\": %ld, \"failed\": %ld}\n", bodies_begun, failed);
        fflush(stdout);
        while (read(0, bytes, sizeof bytes) > 0) {}
        return 0;
    }
    qsort(first_tokens, (size_t)finished, sizeof *first_tokens, by_value);
    printf("{\"streams\": %ld, \"failed\": %ld, \"events\": %ld, \"seconds\": %.4f, \"first_token_p50_us\": %d, "
           "\"first_token_p99_us\": %d}\n", finished, failed, events, seconds,
           finished ? first_tokens[finished / 2] : 0, finished ? first_tokens[finished * 99 / 100] : 0);
    return 0;
}
