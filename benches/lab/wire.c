/* wire.c - a lossy, slow wire: forwards frames between two interfaces, for kernels that have no netem.
 *
 * usage: wire INTERFACE INTERFACE LOSS_PERCENT RTT_MS     (inside the middle namespace)
 * Each frame of each direction is lost with that chance, independently; half of the round trip is added each way.
 * Once a second, and when ended, it prints what it did; "full" and "kernel" are frames lost against its will and must
 * stay 0 for a run to count. */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <linux/if_ether.h>
#include <linux/if_packet.h>
#include <net/if.h>
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "inside.h"

#define SLOTS (1u << 17)
#define FRAME 1600
#define BATCH 256

struct slot {
	uint64_t due;
	uint32_t length;
	uint8_t bytes[FRAME];
};

struct direction {
	int from, to;
	struct slot *queue;
	uint64_t head, tail, forwarded, lost, full, kernel, seed;
};

static uint64_t loss, delay_ns;

static uint64_t now(void) {
	struct timespec t;
	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * 1000000000ull + t.tv_nsec;
}

static int raw_socket(const char *name) {
	int s = socket(AF_PACKET, SOCK_RAW | SOCK_NONBLOCK, 0), one = 1, big = 1 << 30;
	setsockopt(s, SOL_SOCKET, SO_RCVBUFFORCE, &big, sizeof big);
	setsockopt(s, SOL_SOCKET, SO_SNDBUFFORCE, &big, sizeof big);
	setsockopt(s, SOL_PACKET, 23 /* PACKET_IGNORE_OUTGOING */, &one, sizeof one);
	setsockopt(s, SOL_PACKET, PACKET_QDISC_BYPASS, &one, sizeof one);
	struct sockaddr_ll at = { .sll_family = AF_PACKET, .sll_protocol = htons(ETH_P_ALL),
		.sll_ifindex = if_nametoindex(name) };
	if (!at.sll_ifindex || bind(s, (void *)&at, sizeof at)) {
		perror(name);
		exit(1);
	}
	return s;
}

static uint64_t next_random(uint64_t *state) {
	uint64_t x = *state;
	x ^= x << 13;
	x ^= x >> 7;
	x ^= x << 17;
	return *state = x;
}

static void prepare(struct mmsghdr *message, struct iovec *part, void *bytes, size_t length) {
	part->iov_base = bytes;
	part->iov_len = length;
	memset(message, 0, sizeof *message);
	message->msg_hdr.msg_iov = part;
	message->msg_hdr.msg_iovlen = 1;
}

static int take(struct direction *d, struct mmsghdr *messages, struct iovec *parts, uint8_t *buffer) {
	for (int i = 0; i < BATCH; i++) prepare(&messages[i], &parts[i], buffer + i * FRAME, FRAME);
	int got = recvmmsg(d->from, messages, BATCH, MSG_DONTWAIT, NULL);
	uint64_t t = now();
	for (int i = 0; i < got; i++) {
		if (loss && (next_random(&d->seed) >> 11) < loss) {
			d->lost++;
		} else if (d->head - d->tail >= SLOTS) {
			d->full++;
		} else {
			struct slot *s = &d->queue[d->head++ & (SLOTS - 1)];
			s->due = t + delay_ns;
			s->length = messages[i].msg_len;
			memcpy(s->bytes, buffer + i * FRAME, messages[i].msg_len);
		}
	}
	return got;
}

static int give(struct direction *d, struct mmsghdr *messages, struct iovec *parts) {
	int due = 0, sent = 0;
	uint64_t t = now();
	while (due < BATCH && d->tail + due < d->head) {
		struct slot *s = &d->queue[(d->tail + due) & (SLOTS - 1)];
		if (s->due > t) break;
		prepare(&messages[due], &parts[due], s->bytes, s->length);
		due++;
	}
	while (sent < due) {
		int n = sendmmsg(d->to, messages + sent, due - sent, 0);
		if (n > 0) sent += n;
		else if (errno == EAGAIN || errno == ENOBUFS) sched_yield();
		else sent++;
	}
	d->tail += due;
	d->forwarded += due;
	return due;
}

static void *carry(void *argument) {
	struct direction *d = argument;
	struct mmsghdr messages[BATCH];
	struct iovec parts[BATCH];
	uint8_t *buffer = malloc(BATCH * FRAME);
	for (;;) {
		int got = take(d, messages, parts, buffer), given = give(d, messages, parts);
		if (got > 0 || given > 0) continue;
		struct pollfd ready = { d->from, POLLIN, 0 };
		struct timespec wait = { 0, 200000000 };
		if (d->head != d->tail) {
			uint64_t due = d->queue[d->tail & (SLOTS - 1)].due, t = now();
			wait.tv_nsec = due > t ? (long)(due - t) : 0;
		}
		ppoll(&ready, 1, &wait, NULL);
	}
	return NULL;
}

int main(int argc, char **argv) {
	refuse_outside();
	if (argc != 5) {
		fprintf(stderr, "usage: wire INTERFACE INTERFACE LOSS_PERCENT RTT_MS\n");
		return 1;
	}
	loss = (uint64_t)(atof(argv[3]) / 100 * (double)(1ull << 53));
	delay_ns = (uint64_t)(atof(argv[4]) * 500000.0);
	int a = raw_socket(argv[1]), b = raw_socket(argv[2]);
	struct direction d[2] = { { .from = a, .to = b, .seed = 88172645463325252ull },
		{ .from = b, .to = a, .seed = 362436069362436069ull } };
	for (int i = 0; i < 2; i++) {
		pthread_t thread;
		d[i].queue = calloc(SLOTS, sizeof(struct slot));
		pthread_create(&thread, NULL, carry, &d[i]);
	}
	printf("carrying\n");
	for (uint64_t shown = 0;;) {
		fflush(stdout);
		sleep(1);
		uint64_t all = 0;
		for (int i = 0; i < 2; i++) {
			struct tpacket_stats drops;
			socklen_t length = sizeof drops;
			if (!getsockopt(d[i].from, SOL_PACKET, PACKET_STATISTICS, &drops, &length)) d[i].kernel += drops.tp_drops;
			all += d[i].forwarded + d[i].lost;
		}
		if (all == shown) continue;
		shown = all;
		for (int i = 0; i < 2; i++)
			printf("%s forwarded=%lu lost=%lu full=%lu kernel=%lu%s", i ? "back" : "out", d[i].forwarded, d[i].lost,
				d[i].full, d[i].kernel, i ? "\n" : " ");
	}
}
