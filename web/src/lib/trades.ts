// How each trade is asked for: the forms that fine-tuning teaches, and an example of each.
import type { Lang } from './types';

const hasChinese = (text: string) => /\p{Script=Han}/u.test(text);

/** Chinese goes into English, anything else into Chinese. */
export function translatePrompt(text: string): string {
  return hasChinese(text) ? `翻译成英文：${text}` : `Translate into Chinese: ${text}`;
}

export function summaryPrompt(text: string): string {
  return `${hasChinese(text) ? '用一句话总结：' : 'Summarise in one sentence:'}\n${text}`;
}

export function questionPrompt(text: string, question: string): string {
  return `${text}\n${question}`;
}

interface Examples {
  chat: string[];
  translate: string[];
  summarise: string[];
  ask: { text: string; question: string }[];
}

export const EXAMPLES: Record<Lang, Examples> = {
  zh: {
    chat: ['你好！', '23+45=？', '明明养了一只猫。安娜养了一只兔子。\n安娜养了什么？'],
    translate: ['明明在河岸上画了一只猫。', 'Anna ate dumplings, and Tom ate noodles.'],
    summarise: [
      '那天是晴天。露西起得很早，去了市场。路上人很多。露西挑来挑去，最后买了一把伞。回家的路上，露西很高兴。',
    ],
    ask: [{ text: '建国吃了饺子。秀英吃了狮子头。海燕吃了面条。', question: '秀英吃了什么？' }],
  },
  en: {
    chat: ['Hello!', 'What is 23 plus 45?', 'Mingming has a cat. Anna has a rabbit.\nWhat does Anna have?'],
    translate: ['Anna ate dumplings, and Tom ate noodles.', '明明在河岸上画了一只猫。'],
    summarise: [
      'It was a sunny day. Lucy got up early and went to the market. The road was full of people. In the end she bought an umbrella. On the way home she was happy.',
    ],
    ask: [{ text: 'Peter ate dumplings. Mary ate noodles. David ate fried rice.', question: 'What did Mary eat?' }],
  },
};
