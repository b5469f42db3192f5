"""A LangChain program against a running server: langchain_program.py BASE_URL API_KEY MODEL"""

import sys

from langchain_core.prompts import ChatPromptTemplate
from langchain_core.tools import tool
from langchain_openai import ChatOpenAI, OpenAIEmbeddings
from pydantic import BaseModel

base_url, api_key, model = sys.argv[1:]
common = dict(model=model, base_url=base_url, api_key=api_key, temperature=0, max_retries=0)
chat = ChatOpenAI(max_tokens=12, **common)

chain = ChatPromptTemplate.from_messages([("system", "Be brief."), ("user", "{question}")]) | chat
whole = chain.invoke({"question": "今天吃了什么?"})
assert isinstance(whole.content, str) and whole.content
assert whole.usage_metadata["total_tokens"] == whole.usage_metadata["input_tokens"] + whole.usage_metadata["output_tokens"]
assert "".join(piece.content for piece in chain.stream({"question": "今天吃了什么?"})) == whole.content
assert [reply.content for reply in chain.batch([{"question": "今天吃了什么?"}] * 3)] == [whole.content] * 3


class Animal(BaseModel):
    name: str
    legs: int


@tool
def weather(city: str, days: int) -> str:
    """Tells the weather."""
    return f"rain in {city} for {days} days"


# What is bounded by a schema comes whole, if there is room for it.
ended = 0
for seed in range(6):
    wordy = ChatOpenAI(max_tokens=600, seed=seed, **{**common, "temperature": 1})
    message = wordy.bind_tools([weather], tool_choice="weather").invoke("the cat")
    if message.response_metadata["finish_reason"] != "length":
        ended += 1
        call = message.tool_calls[0]
        # Its schema does not forbid more arguments.
        arguments = {name: call["args"][name] for name in ("city", "days")}
        assert call["name"] == "weather" and weather.invoke(arguments).startswith("rain in "), message
    found = wordy.with_structured_output(Animal, method="json_schema", include_raw=True).invoke("the cat")
    if found["raw"].response_metadata["finish_reason"] != "length":
        ended += 1
        assert isinstance(found["parsed"], Animal), found
assert ended >= 2, ended
print("ok")
