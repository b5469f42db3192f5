"""Chat templates in the manner of the model families that they are named for, written by us, and chats for them.

Each uses the Jinja that the real one does: namespaces, loops with index, slices, macros, string methods, tojson with and
without indent, white space control, raise_exception, strftime_now, generation blocks.
"""

CHATML = (
    "{% if messages[0]['role'] != 'system' %}{{ '<|im_start|>system\nYou guide strangers through the town.<|im_end|>\n' }}{% endif %}"
    "{% for turn in messages %}{{ '<|im_start|>' + turn['role'] + '\n' + turn['content'] + '<|im_end|>' + '\n' }}{% endfor %}"
    "{% if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}{% endif %}"
)

LLAMA3 = r"""{#- Headers of roles, tools in the first turn of the user, the day in the system's turn. -#}
{%- macro open(role) -%}
    {{ '<|start_header_id|>' ~ role ~ '<|end_header_id|>\n\n' }}
{%- endmacro -%}
{%- macro listed(offered) -%}
    {%- for tool in offered -%}
        {{ tool | tojson(indent=4) }}{{ '\n\n' }}
    {%- endfor -%}
{%- endmacro -%}
{%- set offered = tools if tools is defined else none %}
{%- set in_first_turn = tools_in_user_message is not defined or tools_in_user_message %}
{%- if date_string is defined %}
    {%- set day = date_string %}
{%- else %}
    {%- set day = strftime_now("%d %b %Y") if strftime_now is defined else "1 May 2026" %}
{%- endif %}
{%- set rules, turns = '', messages %}
{%- if messages and messages[0]['role'] == 'system' %}
    {%- set rules, turns = messages[0]['content'] | trim, messages[1:] %}
{%- endif %}
{{- bos_token ~ open('system') }}
{%- if offered is not none %}
    {{- 'Environment: ipython\n' }}
{%- endif %}
{{- 'Day: ' + day + '\n\n' }}
{%- if offered is not none and not in_first_turn %}
    {{- 'Tools:\n' + listed(offered) }}
{%- endif %}
{{- rules ~ '<|eot_id|>' }}
{%- if offered is not none and in_first_turn %}
    {%- if turns | length == 0 %}
        {{- raise_exception('Tools go into the first turn of the user, and there is none') }}
    {%- endif %}
    {{- open('user') + 'Call a tool as {"name": its name, "parameters": an object}.\n\n' + listed(offered) }}
    {{- turns[0].content | trim + '<|eot_id|>' }}
    {%- set turns = turns[1:] %}
{%- endif %}
{%- for turn in turns %}
    {%- if turn.role in ['tool', 'ipython'] %}
        {{- open('ipython') }}
        {%- if turn.content is mapping or (turn.content is iterable and turn.content is not string) %}
            {{- turn.content | tojson }}
        {%- else %}
            {{- turn.content }}
        {%- endif %}
    {%- elif 'tool_calls' in turn %}
        {%- if turn.tool_calls | length > 1 %}
            {{- raise_exception("One call at a time, please") }}
        {%- endif %}
        {%- set wanted = turn.tool_calls[0].function %}
        {{- open('assistant') + '{"name": "' + wanted.name + '", "parameters": ' }}
        {{- wanted.arguments | tojson }}
        {{- '}' }}
    {%- else %}
        {{- open(turn['role']) + turn['content'] | trim }}
    {%- endif %}
    {{- '<|eot_id|>' }}
{%- endfor %}
{%- if add_generation_prompt %}
    {{- open('assistant') }}
{%- endif %}
"""

QWEN2 = r"""{%- set welcome = 'You know every house of the town.' %}
{%- set first = messages[0] if messages else {'role': 'none'} %}
{%- set rules = first.content if first.role == 'system' else welcome %}
{{- '<|im_start|>system\n' + rules }}
{%- if tools %}
    {{- '\n\n## What you can call\n\n<tools>\n' }}
    {%- for tool in tools %}
        {{- tool | tojson ~ '\n' }}
    {%- endfor %}
    {{- '</tools>\n\nCall like this:\n<tool_call>\n{\"name\": \"a name\", \"arguments\": {}}\n</tool_call>' }}
{%- endif %}
{{- '<|im_end|>\n' }}
{%- for turn in messages %}
    {%- set before = messages[loop.index0 - 1].role if loop.index0 else 'nobody' %}
    {%- set after = 'nobody' if loop.last else messages[loop.index0 + 1].role %}
    {%- if turn.role == 'system' and loop.first %}
        {%- continue %}
    {%- elif turn.role == 'tool' %}
        {{- '' if before == 'tool' else '<|im_start|>user' }}
        {{- '\n<tool_response>\n' ~ turn.content ~ '\n</tool_response>' }}
        {{- '' if after == 'tool' else '<|im_end|>\n' }}
    {%- elif turn.role == 'assistant' and turn.tool_calls %}
        {{- '<|im_start|>assistant' }}
        {%- if turn.content %}
            {{- '\n' + turn.content }}
        {%- endif %}
        {%- for each in turn.tool_calls %}
            {%- set each = each.function if each.function is defined else each %}
            {{- '\n<tool_call>\n{"name": "' ~ each.name ~ '", "arguments": ' }}
            {{- each.arguments | tojson }}
            {{- '}\n</tool_call>' }}
        {%- endfor %}
        {{- '<|im_end|>\n' }}
    {%- else %}
        {{- '<|im_start|>' + turn.role + '\n' + turn.content + '<|im_end|>\n' }}
    {%- endif %}
{%- endfor %}
{{- '<|im_start|>assistant\n' if add_generation_prompt else '' }}
"""

QWEN3 = r"""{#- Only what was thought since the user's last question is shown again. -#}
{%- set seen = namespace(asked=-1) %}
{%- for turn in messages[::-1] %}
    {%- set at = messages | length - loop.index %}
    {%- if turn.role == 'user' and turn.content is string and not turn.content.startswith('<tool_response>') %}
        {%- set seen.asked = at %}
        {%- break %}
    {%- endif %}
{%- endfor %}
{%- if tools %}
    {{- '<|im_start|>system\n' }}
    {%- if messages[0].role == 'system' %}
        {{- messages[0].content.strip() + '\n\n' }}
    {%- endif %}
    {{- 'Tools:' }}
    {%- for tool in tools %}
        {{- '\n' ~ (tool | tojson) }}
    {%- endfor %}
    {{- '\nA call stands within <tool_call> and </tool_call>.<|im_end|>\n' }}
{%- elif messages[0].role == 'system' %}
    {{- '<|im_start|>system\n' + messages[0].content + '<|im_end|>\n' }}
{%- endif %}
{%- for turn in messages %}
    {%- set said = turn.content if turn.content is string else '' %}
    {%- if turn.role == 'system' and loop.first %}
    {%- elif turn.role == 'assistant' %}
        {%- set thought = '' %}
        {%- if turn.reasoning_content is string %}
            {%- set thought = turn.reasoning_content %}
        {%- elif '</think>' in said %}
            {%- set thought = said.split('</think>')[0].split('<think>')[-1].strip('\n') %}
            {%- set said = said.split('</think>')[-1].lstrip('\n') %}
        {%- endif %}
        {{- '<|im_start|>assistant\n' }}
        {%- if loop.index0 > seen.asked and (loop.last or thought) %}
            {{- '<think>\n' + thought.strip('\n') + '\n</think>\n\n' }}
            {%- set said = said.lstrip('\n') %}
        {%- endif %}
        {{- said }}
        {%- for each in turn.tool_calls or [] %}
            {{- '\n' if said or not loop.first else '' }}
            {{- '<tool_call>\n{"name": "' ~ each.function.name ~ '", "arguments": ' }}
            {%- if each.function.arguments is string %}
                {{- each.function.arguments }}
            {%- else %}
                {{- each.function.arguments | tojson }}
            {%- endif %}
            {{- '}\n</tool_call>' }}
        {%- endfor %}
        {{- '<|im_end|>\n' }}
    {%- elif turn.role == 'tool' %}
        {%- if loop.first or loop.previtem.role != 'tool' %}
            {{- '<|im_start|>user' }}
        {%- endif %}
        {{- '\n<tool_response>\n' + said + '\n</tool_response>' }}
        {%- if loop.last or loop.nextitem.role != 'tool' %}
            {{- '<|im_end|>\n' }}
        {%- endif %}
    {%- else %}
        {{- '<|im_start|>' + turn.role + '\n' + said + '<|im_end|>\n' }}
    {%- endif %}
{%- endfor %}
{%- if add_generation_prompt %}
    {{- '<|im_start|>assistant\n' }}
    {%- if enable_thinking is defined and not enable_thinking %}
        {{- '<think>\n\n</think>\n\n' }}
    {%- endif %}
{%- endif %}
"""

MISTRAL = r"""{%- set rules = messages[0].content if messages[0].role == 'system' else none %}
{%- set turns = messages if rules is none else messages[1:] %}
{%- set asked = turns | selectattr('role', 'equalto', 'user') | list %}
{%- set expect = namespace(role='user') %}
{%- for turn in turns | rejectattr('role', 'in', ['tool', 'tool_results']) | rejectattr('tool_calls') %}
    {%- if turn.role not in ('user', 'assistant') %}
        {{- raise_exception('A turn of ' ~ turn.role ~ ' can only be the first') }}
    {%- elif turn.role != expect.role %}
        {{- raise_exception('Turns must alternate: now it is for the ' + expect.role) }}
    {%- endif %}
    {%- set expect.role = 'assistant' if turn.role == 'user' else 'user' %}
{%- endfor %}
{{- bos_token }}
{%- for turn in turns %}
    {%- if turn.role == 'user' %}
        {%- if tools and turn == asked[-1] %}
            {{- '[AVAILABLE_TOOLS] [' }}
            {%- for tool in tools | map(attribute='function') %}
                {{- '{"type": "function", "function": {' }}
                {%- for name, value in tool.items() if name != 'return' %}
                    {{- '"' ~ name ~ '": ' }}
                    {{- value | tojson }}
                    {{- '' if loop.last else ', ' }}
                {%- endfor %}
                {{- '}}' if loop.last else '}}, ' }}
            {%- endfor %}
            {{- '][/AVAILABLE_TOOLS]' }}
        {%- endif %}
        {{- '[INST] ' }}
        {%- if loop.last and rules is not none %}
            {{- rules + '\n\n' }}
        {%- endif %}
        {{- turn.content + '[/INST]' }}
    {%- elif turn.tool_calls is defined and turn.tool_calls is not none %}
        {{- '[TOOL_CALLS] [' }}
        {%- for each in turn.tool_calls %}
            {%- if each.id is undefined or each.id | length != 9 %}
                {{- raise_exception('An id of nine letters, please') }}
            {%- endif %}
            {{- (each.function | tojson)[:-1] + ', "id": "' + each.id + '"}' }}
            {{- ']' ~ eos_token if loop.last else ', ' }}
        {%- endfor %}
    {%- elif turn.role == 'assistant' %}
        {{- ' ' + turn.content | trim + eos_token }}
    {%- else %}
        {{- '[TOOL_RESULTS] {"content": ' + turn.content | string + ', "call_id": "' + turn.tool_call_id + '"}[/TOOL_RESULTS]' }}
    {%- endif %}
{%- endfor %}
"""

GEMMA = (
    "{{ bos_token }}{% for turn in messages %}{% if turn['role'] == 'system' %}{{ raise_exception('There is no system here') }}{% endif %}"
    "{% if loop.index is even and turn['role'] == 'user' or loop.index is odd and turn['role'] != 'user' %}"
    "{{ raise_exception('The user first, then one after the other') }}{% endif %}"
    "{{ '<start_of_turn>' + ('model' if turn['role'] == 'assistant' else turn['role']) + '\n' + turn['content'] | trim + '<end_of_turn>\n' }}"
    "{% endfor %}{% if add_generation_prompt %}{{ '<start_of_turn>model\n' }}{% endif %}"
)

PHI3 = (
    "{% for turn in messages %}{% if turn['role'] in ['system', 'user', 'assistant'] %}"
    "{{ '<|' + turn['role'] + '|>' + '\n' + turn['content'] + '<|end|>' + '\n' }}{% endif %}{% endfor %}"
    "{% if add_generation_prompt %}{{ '<|assistant|>' + '\n' }}{% else %}{{ eos_token }}{% endif %}"
)

LLAMA2 = (
    "{% set rules = messages[0]['content'] if messages[0]['role'] == 'system' else false %}"
    "{% for turn in (messages[1:] if rules is not false else messages) %}{% set said = turn['content'] %}"
    "{% if loop.first and rules is not false %}{% set said = '<<SYS>>\\n' + rules + '\\n<</SYS>>\\n\\n' + said %}{% endif %}"
    "{% if (turn['role'] == 'user') != (loop.index0 % 2 == 0) %}{{ raise_exception('Turns must alternate') }}{% endif %}"
    "{% if turn['role'] == 'user' %}{{ bos_token + '[INST] ' + said.strip() + ' [/INST]' }}"
    "{% else %}{{ ' ' + said.strip() + ' ' + eos_token }}{% endif %}{% endfor %}"
)

# No model's: what else templates do, all in one.
GPT2 = r"""{# white space, macros, tests and methods #}
{% macro line(name, value, sep=': ') -%}
  {{ name | upper }}{{ sep }}{{ value }}
{%- endmacro %}
{% set roles = messages | map(attribute='role') | list %}
{{ line('roles', roles | join('/')) }} {{ roles | unique | list | length }} {{ roles }}
{{ line('values', [true, false, none, 1.5, 1e20, "it's", 3]) }} {{ true }} {{ none }} {{ 7 // 2 }} {{ 7 / 2 }} {{ -7 % 3 }} {{ 2 ** 5 }}
{{ {'a': 1, 'b': [none, 'x"y', 1.0, 1e-7, '\u00e9\n']} | tojson }} {{ {'b': 1, 'a': 2} | tojson(sort_keys=true, separators=(',', ':')) }}
{{ [] | tojson(indent=2) }} {{ {'k': {'l': [1, {}]}} | tojson(indent=2) }} {{ 'é<>&' | tojson(ensure_ascii=true) }} {{ "'<>&" | tojson }}
{%- for message in messages %}
    {%- if loop.index > 40 %}{% break %}{% endif %}
    {%- if message.role == 'system' %}{% continue %}{% endif %}
    {% generation %}
    {{- loop.index ~ '. ' ~ message.role.capitalize() ~ ': ' ~ message.content.strip().replace('cat', 'dog').split('\n')[0] }}
    {% endgeneration %}
    {%- if message.content.title().startswith(('The', 'Where')) %} (the){% endif %}
    {%- if 'tool_calls' in message and message.tool_calls is sequence and message.tool_calls is not string %} (calls){% endif %}
    {%- if message.get('name') is not none %} {{ message.get('name', 'nobody') }}{% endif %}
    {%- if message.missing is defined %}never{% elif not message.missing %} -{% endif %}
{%- endfor %}

{{ strftime_now('%Y-%m-%d %H:%M %B') }} {{ messages[0].content[:6] }}|{{ messages[-1].content[-4:] }}|{{ messages | length }}|{{ ('a', 'b') | list }}
{%- for key, value in {'x': 1, 'y': 2}.items() | list %} {{ key }}={{ value }}{% endfor %}
{%- set ns = namespace(found=false, text='') %}
{%- for message in messages | rejectattr('role', 'equalto', 'system') %}{% set ns.found = true %}{% set ns.text = ns.text + message.role[0] %}{% endfor %}
{{ ns.found }} {{ ns.text }} {{ 'abc' in 'xabcx' }} {{ (1, 2) == (1, 2) }} {{ [1, 2] + [3] }} {{ 'a,b,,c'.split(',') }} {{ '%s' | replace('%s', 'ok') }}
{{ messages | selectattr('role', 'in', ['user']) | list | length }} {{ 'x' * 3 }} {{ 'ab' | first }} {{ [3, 1, 2] | sort | last }} {{ range(3) | list }} {{ 5 | string + 'px' }} {{ '' | default('empty', true) }} {{ nothing | default('gone') }}
{% if add_generation_prompt -%}
    assistant:
{%- endif -%}
{{ eos_token if not add_generation_prompt else '' }}
"""

TEMPLATES = {
    "gpt2": GPT2, "smollm": CHATML, "llama3": LLAMA3, "qwen2": QWEN2, "qwen3": QWEN3, "llama2": LLAMA2, "mistral": MISTRAL,
    "phi3": PHI3, "gemma": GEMMA,
}

WEATHER = {
    "type": "function",
    "function": {
        "name": "get_weather",
        "description": "Tells the weather at a place, e.g. \"the mill\" <today>.",
        "parameters": {
            "type": "object",
            "properties": {"place": {"type": "string", "description": "Ort oder 地方"}, "days": {"type": "integer", "default": 1}},
            "required": ["place"],
        },
    },
}
CLOCK = {"type": "function", "function": {"name": "clock", "description": "The time.", "parameters": {"type": "object", "properties": {}}}}


def call(name, arguments, id="a1b2c3d4e"):
    return {"id": id, "type": "function", "function": {"name": name, "arguments": arguments}}


ASK = {"role": "user", "content": "Where does the doctor live?"}
SAY = {"role": "assistant", "content": "By the river."}
TOOLS = [WEATHER, CLOCK]
CALLED = [
    {"role": "user", "content": "What is the weather at the mill?"},
    {"role": "assistant", "content": "", "tool_calls": [call("get_weather", '{"place": "mill", "days": 2, "z": null, "a": [1.5, true]}')]},
    {"role": "tool", "content": '{"sky": "grey"}', "tool_call_id": "a1b2c3d4e", "name": "get_weather"},
    {"role": "assistant", "content": "Grey, I am afraid."},
    {"role": "user", "content": "And now?"},
]

CHATS = {
    "one": {"messages": [ASK]},
    "system": {"messages": [{"role": "system", "content": "You are the town's guide.\n"}, ASK]},
    "turns": {"messages": [ASK, SAY, {"role": "user", "content": "  And the baker?  \n"}]},
    "spoken": {"messages": [ASK, SAY]},
    "unicode": {"messages": [{"role": "user", "content": "读书人住在哪里？ 🙂\n\n再见"}, {"role": "assistant", "content": "在书院。"}]},
    "twice": {"messages": [ASK, ASK]},
    "empty": {"messages": [{"role": "user", "content": ""}]},
    "tools": {"messages": [{"role": "system", "content": "Be short."}, ASK], "options": {"tools": TOOLS}, "kinds": ["llama3", "qwen2", "qwen3", "mistral"]},
    "called": {"messages": CALLED, "options": {"tools": TOOLS}, "kinds": ["llama3", "qwen2", "qwen3", "mistral", "gpt2"]},
    "two_calls": {
        "messages": [
            ASK,
            {"role": "assistant", "content": "Both.", "tool_calls": [call("clock", "{}", "000000001"), call("get_weather", '{"place": "书院 \\"A\\""}', "000000002")]},
            {"role": "tool", "content": "noon", "tool_call_id": "000000001"},
            {"role": "tool", "content": "rain", "tool_call_id": "000000002"},
        ],
        "options": {"tools": TOOLS}, "kinds": ["llama3", "qwen2", "qwen3", "mistral"],
    },
    "tools_in_system": {"messages": [ASK], "options": {"tools": TOOLS, "tools_in_user_message": False, "date_string": "1 May 2026"}, "kinds": ["llama3"]},
    "no_thinking": {"messages": [ASK], "options": {"enable_thinking": False}, "kinds": ["qwen3"]},
    "thinking": {"messages": [ASK], "options": {"enable_thinking": True}, "kinds": ["qwen3"]},
    "thought": {
        "messages": [ASK, {"role": "assistant", "content": "By the river.", "reasoning_content": "Ask the miller."}, ASK,
                     {"role": "assistant", "content": "As I said.", "reasoning_content": "\nAgain?\n"}],
        "kinds": ["qwen3"],
    },
    "thought_inside": {
        "messages": [ASK, {"role": "assistant", "content": "<think>\nAsk the miller.\n</think>\n\nBy the river."}],
        "kinds": ["qwen3"],
    },
    "named": {"messages": [{"role": "user", "content": "the cat\nsat", "name": "Ann"}, SAY], "kinds": ["gpt2"]},
}
