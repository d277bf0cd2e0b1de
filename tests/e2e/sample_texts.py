"""Texts of the sample site: guidelines, and questions with two answers, the left one first."""

GUIDELINES = """\
Prefer the answer that a **careful expert** would be glad to have given.

## What matters, in this order

1. *Correct*: a wrong fact loses against a clumsy sentence.
2. *Does what was asked*, in the form that was asked for.
3. *No longer than it needs to be.*

## Examples

> “What is the capital of Australia?”

- **Better**: Canberra.
- Worse: “Great question! Many people think it is Sydney, but …”

Flag anything with personal data.
"""

CODE_QUESTION = "How do I remove duplicates from a list in Python and keep the order?"
CODE_ANSWER = """\
Use a dictionary: since Python 3.7 it keeps the order in which keys were added.

```python
def unique(items: list[str]) -> list[str]:
    \"\"\"`items` without repetitions, first occurrences kept.\"\"\"
    return list(dict.fromkeys(items))


print(unique(["b", "a", "b", "c"]))  # ['b', 'a', 'c']
```

This needs **hashable** items. For others:

- compare by a key, such as `json.dumps(item, sort_keys=True)`;
- or loop and test `item not in seen`, which is slow for long lists: $O(n^2)$ instead of $O(n)$.

| way | keeps order | needs hashing | time |
|:----|:-----------:|:-------------:|-----:|
| `dict.fromkeys` | yes | yes | $O(n)$ |
| `set` | no | yes | $O(n)$ |
| loop | yes | no | $O(n^2)$ |
"""
CODE_WORSE = """\
You can simply use `set()`:

```python
items = list(set(items))
```

I hope this helps! Let me know if you have any other questions. A set has no duplicates.

Note that <b>sets</b> are unordered &amp; may change the order of the items.
"""
MATHS_QUESTION = "Why is the sum of the first $n$ odd numbers a square? Show it by induction, please."
MATHS_ANSWER = """\
**Claim.** For each $n \\ge 1$,

$$\\sum_{k=1}^{n} (2k-1) = n^2.$$

*Base.* For $n = 1$ both sides are $1$.

*Step.* If it holds for $n$, then

\\[
\\sum_{k=1}^{n+1} (2k-1) = n^2 + 2(n+1) - 1 = n^2 + 2n + 1 = (n+1)^2. \\qquad\\blacksquare
\\]

Seen as a picture: each odd number is a border that turns the square of side $n$ into the next one.
"""
MATHS_WORSE = """\
Because $1 + 3 + \\dots + (2n-1) = \\frac{n \\cdot (1 + 2n - 1)}{2} = n^2$, an arithmetic series.

That is not an induction, but it is shorter, and \\(\\sqrt{n^2} = n\\).
"""
ARABIC_QUESTION = "اشرح لي بإيجاز لماذا السماء زرقاء، مع مثال من الحياة اليومية."
ARABIC_ANSWER = """\
السماء زرقاء لأن جزيئات الهواء **تشتت** الضوء الأزرق أكثر من الأحمر (تشتت رايلي، *Rayleigh scattering*).

1. ضوء الشمس مزيج من كل الألوان.
2. الأزرق قصير الموجة فيتشتت في كل الاتجاهات: $I \\propto \\lambda^{-4}$.
3. لذلك نراه قادمًا من كل جهة.

مثال: الحليب المخفف بالماء يبدو مائلًا إلى الزرقة.
"""
ARABIC_WORSE = "لأن البحر أزرق وينعكس لونه على السماء."
CHINESE_QUESTION = "请用三句话解释什么是复利，并举一个例子。"
CHINESE_ANSWER = """\
复利是指利息也会继续产生利息。每一期结束时，利息加入本金，下一期按新的本金计算。时间越长，增长越快。

**例子**：存入 1000 元，年利率 5%，十年后约为 $1000 \\times 1.05^{10} \\approx 1629$ 元。
"""
CHINESE_WORSE = "复利就是利滚利，简单来说就是钱会变多。很多人都喜欢复利，因为复利非常非常非常好。"
LONG_WORD = "Donaudampfschifffahrtselektrizitätenhauptbetriebswerkbauunterbeamtengesellschaft" * 2
LONG_QUESTION = "What is the longest German word, and is it used?"
LONG_ANSWER = f"The record books once had {LONG_WORD}.\n\nNot used. See https://example.org/{'a' * 140}."
LONG_WORSE = (
    "`"
    + "x" * 300
    + "`\n\n<script>alert(1)</script> <img src=x onerror=alert(1)>\n\n![a chart](https://example.org/chart.png)"
)

PAIRS = (
    ("coding", "en", CODE_QUESTION, CODE_ANSWER, CODE_WORSE),
    ("reasoning", "en", MATHS_QUESTION, MATHS_WORSE, MATHS_ANSWER),
    ("multilingual", "ar", ARABIC_QUESTION, ARABIC_ANSWER, ARABIC_WORSE),
    ("multilingual", "zh", CHINESE_QUESTION, CHINESE_ANSWER, CHINESE_WORSE),
    ("general", "en", LONG_QUESTION, LONG_ANSWER, LONG_WORSE),
)
