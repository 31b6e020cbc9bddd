// The texts of scripts in the page's language. A page that is not in English has their translations
// in a JSON block; the keys are the English texts, which settings_page/script_texts.py lists.

const translations = JSON.parse(document.getElementById("texts")?.textContent ?? "{}");
const tag = document.documentElement.lang;

/** The locale of numbers and dates; English dates are as on the server: 23 Nov. */
export const locale = tag === "en" ? "en-GB" : tag;

const plurals = new Intl.PluralRules(locale);
const numbers = new Intl.NumberFormat(locale);

function fill(template, values) {
  return template.replace(/\{(\w+)\}/g, (field, name) => values[name] ?? field);
}

/** Returns the translation of a text, with these values in its placeholders. */
export function say(text, values = {}) {
  return fill(translations[text] ?? text, values);
}

/** Returns the translation for a count, which is {count}. */
export function sayCounted(singular, plural, count) {
  const category = plurals.select(count);
  const forms = translations[singular] ?? { one: singular, other: plural };
  return fill(forms[category] ?? forms.other, { count: numbers.format(count) });
}
