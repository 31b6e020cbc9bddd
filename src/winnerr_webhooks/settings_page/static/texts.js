// The texts of scripts in the page's language. A page that is not in English has their translations
// in a JSON block; the keys are the English texts, which settings_page/script_texts.py lists.

const translations = JSON.parse(document.getElementById("texts")?.textContent ?? "{}");
const tag = document.documentElement.lang;

/** The locale of numbers and dates; English dates are as on the server: 23 Nov. */
export const locale = tag === "en" ? "en-GB" : tag;

// Made when they are needed first: making them takes longer than all else before the first paint.
let plurals = null;
let numbers = null;

function fill(template, values) {
  return template.replace(/\{(\w+)\}/g, (field, name) => values[name] ?? field);
}

/** Returns the translation of a text, with these values in its placeholders. */
export function say(text, values = {}) {
  return fill(translations[text] ?? text, values);
}

/** Returns the translation for a count, which is {count}. */
export function sayCounted(singular, plural, count) {
  plurals ??= new Intl.PluralRules(locale);
  numbers ??= new Intl.NumberFormat(locale);
  const category = plurals.select(count);
  const forms = translations[singular] ?? { one: singular, other: plural };
  return fill(forms[category] ?? forms.other, { count: numbers.format(count) });
}
