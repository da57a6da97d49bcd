"""Parameters of a model from its dimensions, layer by layer, for models that come from a file."""

from __future__ import annotations

from collections.abc import Mapping

from infra.catalog.models import Model


def dense_layer(attention: Mapping[str, int], width: int) -> int:
    """A layer with one feed-forward of gate, up and down, and two norms."""
    return attention_parameters(attention) + 3 * attention["hidden"] * width + 2 * attention["hidden"]


def expert_layer(attention: Mapping[str, int], width: int, count: int, shared: int, routed: int | None = None) -> int:
    """A layer of `count` experts and `shared` ones that see every token; the router has a row for all `routed`."""
    hidden = attention["hidden"]
    router = hidden * (count if routed is None else routed)
    return attention_parameters(attention) + 3 * hidden * width * (count + shared) + router + 2 * hidden


def attention_parameters(attention: Mapping[str, int]) -> int:
    """Query, key, value and output of GQA; the two-step projections of MLA where it has a latent."""
    hidden, heads = attention["hidden"], attention["heads"]
    if "latent" not in attention:
        width, kv_width = heads * attention["head_dim"], attention["kv_heads"] * attention["head_dim"]
        return hidden * (2 * width + 2 * kv_width)
    latent, rope, nope, value = (attention[key] for key in ("latent", "rope", "nope", "value"))
    rank = attention["query_rank"]
    query = rank * (hidden + heads * (nope + rope)) if rank else hidden * heads * (nope + rope)
    return query + hidden * (latent + rope) + latent * heads * (nope + value) + heads * value * hidden


def model_of(
    *,
    name: str,
    family: str,
    total: int,
    active: int,
    layers: int,
    hidden: int,
    intermediate: int,
    heads: int,
    kv_heads: int,
    head_dim: int,
    vocabulary: int,
    tied: bool,
    max_context: int,
    latent: int | None = None,
    rope: int | None = None,
    window: int | None = None,
    sliding: int = 0,
    experts: int | None = None,
    chosen: int | None = None,
    expert_width: int | None = None,
    precision: str,
    source: str,
) -> Model:
    """A catalogue row for a model that is not in it. `total` and `active` are without embeddings."""
    embeddings = vocabulary * hidden * (1 if tied else 2) + hidden
    return Model(
        model=name,
        family=family,
        parameters_total_b=(total + embeddings) / 1e9,
        parameters_active_b=(active + embeddings) / 1e9,
        layers=layers,
        hidden=hidden,
        intermediate=intermediate,
        heads=heads,
        kv_heads=kv_heads,
        head_dim=head_dim,
        vocabulary=vocabulary,
        tied_embeddings=tied,
        max_context=max_context,
        attention="MLA" if latent else "GQA",
        kv_lora_rank=latent,
        qk_rope_head_dim=rope,
        sliding_window=window,
        full_attention_layers=layers - sliding,
        sliding_layers=sliding,
        experts=experts,
        experts_per_token=chosen,
        expert_intermediate=expert_width,
        shared_experts=None,
        dense_layers=None,
        native_precision=precision,
        vision_tower_b=None,
        license="see the checkpoint",
        gated="no",
        spellings=(),
        notes="",
        source=source,
        read_on="",
    )
