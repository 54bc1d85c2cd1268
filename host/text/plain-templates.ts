/** Formats of published model families, for checkpoints that carry no template of their own. */
export const PLAIN_TEMPLATES = {
  /** Llama 2: the system prompt stands within the first instruction. */
  llama2:
    "{%- if messages[0]['role'] == 'system' %}{% set system = '<<SYS>>\\n' + messages[0]['content'] + '\\n<</SYS>>\\n\\n' %}{% set turns = messages[1:] %}{% else %}{% set system = '' %}{% set turns = messages %}{% endif -%}" +
    "{%- for message in turns %}{% if message['role'] == 'user' %}{{ bos_token + '[INST] ' + (system if loop.first else '') + message['content'] + ' [/INST]' }}{% else %}{{ ' ' + message['content'] + ' ' + eos_token }}{% endif %}{% endfor -%}",
  llama3:
    "{{- bos_token }}{% for message in messages %}{{ '<|start_header_id|>' + message['role'] + '<|end_header_id|>\\n\\n' + message['content'] + '<|eot_id|>' }}{% endfor %}" +
    "{% if add_generation_prompt %}{{ '<|start_header_id|>assistant<|end_header_id|>\\n\\n' }}{% endif -%}",
  chatml:
    "{%- for message in messages %}{{ '<|im_start|>' + message['role'] + '\\n' + message['content'] + '<|im_end|>\\n' }}{% endfor %}" +
    "{% if add_generation_prompt %}{{ '<|im_start|>assistant\\n' }}{% endif -%}",
  zephyr:
    "{%- for message in messages %}{{ '<|' + message['role'] + '|>\\n' + message['content'] + eos_token + '\\n' }}{% endfor %}" +
    "{% if add_generation_prompt %}{{ '<|assistant|>\\n' }}{% endif -%}",
  /** For models that only continue texts: what was said and nothing else; an answer goes straight on. */
  plain:
    "{%- for message in messages %}{{ message['content'] }}{% if message['role'] != 'user' and not loop.last %}{{ '\\n' }}{% endif %}{% endfor -%}",
} as const;

export type PlainTemplate = keyof typeof PLAIN_TEMPLATES;
