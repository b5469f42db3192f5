"""Uses a running server through the official client: openai_client.py BASE_URL API_KEY MODEL"""

import sys

import openai

base_url, api_key, model = sys.argv[1:]
client = openai.OpenAI(base_url=base_url, api_key=api_key, max_retries=0)
messages = [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "今天吃了什么?"}]

assert [m.id for m in client.models.list()][0] == model
assert client.models.retrieve(model).id == model

whole = client.chat.completions.create(
    model=model, messages=messages, max_tokens=20, temperature=1, seed=5, logprobs=True, top_logprobs=4
)
choice = whole.choices[0]
assert choice.message.role == "assistant" and isinstance(choice.message.content, str)
assert choice.finish_reason in ("stop", "length")
assert whole.usage.total_tokens == whole.usage.prompt_tokens + whole.usage.completion_tokens
assert len(choice.logprobs.content) == whole.usage.completion_tokens
for token in choice.logprobs.content:
    assert token.logprob <= 0 and isinstance(token.bytes, list) and len(token.top_logprobs) == 4

text, finish, usage = "", None, None
stream = client.chat.completions.create(
    model=model, messages=messages, max_tokens=20, temperature=1, seed=5, stream=True,
    stream_options={"include_usage": True},
)
for chunk in stream:
    usage = chunk.usage or usage
    for part in chunk.choices:
        text += part.delta.content or ""
        finish = part.finish_reason or finish
assert (text, finish, usage) == (choice.message.content, choice.finish_reason, whole.usage)

again = client.chat.completions.create(
    model=model, messages=messages, max_tokens=20, temperature=1, seed=5, stop=[choice.message.content[3:5]]
)
assert again.choices[0].message.content == choice.message.content[:choice.message.content.find(choice.message.content[3:5])]
assert again.choices[0].finish_reason == "stop"

completion = client.completions.create(
    model=model, prompt="the cat", max_tokens=5, temperature=0, logprobs=2, extra_body={"top_k": 5, "min_p": 0.1}
)
assert completion.object == "text_completion" and len(completion.choices[0].logprobs.tokens) <= 5
streamed = client.completions.create(model=model, prompt="the cat", max_tokens=5, temperature=0, stream=True)
assert "".join(c.choices[0].text for c in streamed if c.choices) == completion.choices[0].text


several = client.chat.completions.create(model=model, messages=messages, max_tokens=7, seed=1, n=3, user="someone")
assert [c.index for c in several.choices] == [0, 1, 2]
assert several.usage.prompt_tokens_details.cached_tokens == 0
seen = set()
for chunk in client.chat.completions.create(model=model, messages=messages, max_completion_tokens=7, n=2, stream=True):
    seen |= {c.index for c in chunk.choices}
assert seen == {0, 1}

weather = {"type": "function", "function": {
    "name": "weather", "description": "Tells the weather.",
    "parameters": {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]},
}}
# A tiny model calls nothing by itself: its answer begins with the call, as ids, and ends where it would go on.
text = '<tool_call>\n{"name": "weather", "arguments": {"city": "Ulm"}}\n</tool_call>'
def tokenize(text):
    import json, urllib.request
    request = urllib.request.Request(
        base_url.replace("/v1", "/api/tokenize"), json.dumps({"text": text}).encode(),
        {"authorization": f"Bearer {api_key}", "content-type": "application/json"},
    )
    return [token["id"] for token in json.load(urllib.request.urlopen(request))["tokens"]]
call = dict(
    model=model, messages=messages, tools=[weather], temperature=0, max_tokens=1, logprobs=True,
    extra_body={"continue_ids": tokenize(text)},
)
first = client.chat.completions.create(**call).choices[0].logprobs.content[0].token
call |= {"max_tokens": 8, "stop": [first], "logprobs": False, "parallel_tool_calls": False}
whole = client.chat.completions.create(**call).choices[0]
assert whole.finish_reason == "tool_calls" and whole.message.content is None, whole
assert whole.message.tool_calls[0].function.name == "weather"
assert whole.message.tool_calls[0].function.arguments == '{"city":"Ulm"}'
with client.chat.completions.stream(**call) as stream:
    final = stream.get_final_completion().choices[0]
assert final.finish_reason == "tool_calls"
assert final.message.tool_calls[0].function.arguments == '{"city":"Ulm"}'
turn = [
    *messages, whole.message,
    {"role": "tool", "tool_call_id": whole.message.tool_calls[0].id, "content": "rain"},
]
after = client.chat.completions.create(model=model, messages=turn, tools=[weather], tool_choice="auto", max_tokens=5, temperature=0)
assert after.choices[0].finish_reason == "length" and after.choices[0].message.content

response = client.responses.create(
    model=model, instructions="Be brief.", input="今天吃了什么?", max_output_tokens=9, temperature=0, store=False,
    tools=[{"type": "function", "name": "weather", "parameters": {"type": "object"}, "strict": True}],
)
assert response.status == "incomplete" and response.incomplete_details.reason == "max_output_tokens"
assert response.output_text and response.usage.output_tokens == 9
events = list(client.responses.create(model=model, input=[{"role": "user", "content": "the cat"}], max_output_tokens=9,
                                      temperature=0, stream=True))
assert events[0].type == "response.created" and events[-1].type == "response.incomplete"
assert [e.sequence_number for e in events] == list(range(len(events)))
said = "".join(e.delta for e in events if e.type == "response.output_text.delta")
assert said == events[-1].response.output_text
with client.responses.stream(model=model, input="the cat", max_output_tokens=9, temperature=0) as stream:
    kinds = [event.type for event in stream]
assert kinds[2:4] == ["response.output_item.added", "response.content_part.added"], kinds


def refused(kind, call):
    try:
        call()
    except kind as error:
        return error
    raise AssertionError(f"expected {kind.__name__}")


create = client.chat.completions.create
error = refused(openai.BadRequestError, lambda: create(model=model, messages=messages, max_tokens=-1))
assert error.body["param"] == "max_tokens", error.body
error = refused(openai.NotFoundError, lambda: create(model="none", messages=messages))
assert error.code == "model_not_found"
error = refused(openai.BadRequestError, lambda: create(model=model, messages=messages * 400))
assert error.code == "context_length_exceeded"
# It generates: another kind of model embeds.
refused(openai.BadRequestError, lambda: client.embeddings.create(model=model, input="a"))
error = refused(openai.BadRequestError, lambda: client.responses.create(model=model, input="a", previous_response_id="r"))
assert error.param == "previous_response_id"
error = refused(openai.BadRequestError, lambda: create(model=model, messages=messages, n=1000))
assert error.param == "n", error.body
stranger = openai.OpenAI(base_url=base_url, api_key="wrong", max_retries=0)
refused(openai.AuthenticationError, lambda: stranger.models.list())
print("ok")
