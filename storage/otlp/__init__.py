"""Received telemetry, in modules that its data passes through in this order.

1. `decoder` decodes a request's bytes into items: `wire` those in protobuf, with `repair` for what
   is not valid; `json_encoding` and `json_messages` those in JSON. `losses` counts what is lost.
2. `items` converts each item to our value, with `attributes`, its `scope`, and what `sources`
   knows of its sender.
3. `correlation` attaches the values to the local span that started the sender.
4. `span_lookup` finds that span among those stored.
5. `storage.store.deduplication` stores each span once, and `storage.store.usage` counts its tokens
   once.

`bot.http.otlp_receiver` receives the requests and puts the values into the writer's queue.
"""
