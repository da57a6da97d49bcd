"""Quotas: requests, tokens, concurrency and dollars, per client and per client and model, in one process or shared.

How much more than a limit may be used (tests hold the code to it). C is the limit (of requests per minute: the burst),
N the declared `gateways`, U what running requests use beyond their reservation: 0 unless a prompt has more tokens than
estimated (see `estimate`) or an engine ignores max_tokens. In any span of t seconds, C + rate * t and:

| store                                 | overshoot                                                                    |
|---------------------------------------|------------------------------------------------------------------------------|
| memory                                | U                                                                            |
| redis, or away and `closed`           | U: leases are part of the limit, so sharing adds nothing                     |
| redis away and `local`, per outage    | U + at most C; exactly: the mean over the gateways of what each had not been |
|                                       | told of the others' use. Where C < N, requests and concurrency: one each     |
| redis lost its memory, per loss       | U + C for limits per minute; day and month are told again by every gateway   |
|                                       | that lives, so only what ended processes spent is forgotten                  |
| a gateway silent for over 15 s        | U + its own running requests (concurrency); its reservations count as spent  |

More gateways than declared multiply the `local` row. The other way round, leases may refuse early: while other
gateways are busy up to C / (4 N) each is in their hands; it comes back one to two seconds after they fall idle.
"""
