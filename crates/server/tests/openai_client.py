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
stranger = openai.OpenAI(base_url=base_url, api_key="wrong", max_retries=0)
refused(openai.AuthenticationError, lambda: stranger.models.list())
print("ok")
