#include "storage/model/cron.hpp"

#include <algorithm>
#include <array>
#include <fmt/format.h>
#include <fmt/ranges.h>
#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace rowlock {

namespace {

// ---- what each field may say

struct field_rules {
    std::string_view name;
    unsigned least;
    unsigned most;
    std::array<std::string_view, 12> words;         // from the field's first value on
};

constexpr field_rules second_field{"second", 0, 59, {}};
constexpr field_rules minute_field{"minute", 0, 59, {}};
constexpr field_rules hour_field{"hour", 0, 23, {}};
constexpr field_rules day_field{"day-of-month", 1, 31, {}};
constexpr field_rules month_field{"month", 1, 12, {"JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC"}};
constexpr field_rules weekday_field{"day-of-week", 0, 7, {"SUN", "MON", "TUE", "WED", "THU", "FRI", "SAT"}};

constexpr std::array<std::pair<std::string_view, std::string_view>, 8> words{{
    {"@yearly", "0 0 1 1 *"},
    {"@annually", "0 0 1 1 *"},
    {"@monthly", "0 0 1 * *"},
    {"@weekly", "0 0 * * 0"},
    {"@daily", "0 0 * * *"},
    {"@midnight", "0 0 * * *"},
    {"@hourly", "0 * * * *"},
    {"@minutely", "* * * * *"},
}};

constexpr char upper(char c)
{
    return c >= 'a' && c <= 'z' ? static_cast<char>(c - 'a' + 'A') : c;
}

constexpr bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

constexpr bool is_blank(char c)
{
    return c == ' ' || c == '\t';
}

bool same_word(std::string_view a, std::string_view b)
{
    return a.size() == b.size() && std::equal(a.begin(), a.end(), b.begin(), [](char x, char y) { return upper(x) == upper(y); });
}

// ---- one field

// One part of an expression, which knows where it stands in the whole.
struct piece {
    std::string_view text;
    std::size_t position;                           // of its first character in the expression, from 1

    piece after(std::size_t n) const { return {text.substr(n), position + n}; }
    piece first(std::size_t n) const { return {text.substr(0, n), position}; }
};

// What is wrong with a field: the first thing that is.
struct refusal {
    std::string message;
    std::size_t position;
};

std::uint64_t bits_of(unsigned first, unsigned last, unsigned step)
{
    std::uint64_t bits = 0;
    for (unsigned n = first; n <= last; n += step) bits |= std::uint64_t{1} << n;
    return bits;
}

// Reads one field. After a refusal it goes on with the least value that would be right; the first refusal counts.
class field_reader {
public:
    field_reader(const field_rules& rules, cron_pattern& made) : rules_(rules), made_(made) {}

    const std::optional<refusal>& refused() const { return refused_; }

    // The plain values of it; what else it says goes to the pattern.
    std::uint64_t read(piece field)
    {
        if (field.text == "?" && takes_any()) return all();
        std::uint64_t bits = 0;
        for (piece rest = field;;) {
            const auto comma = std::min(rest.text.find(','), rest.text.size());
            bits |= read_item(rest.first(comma));
            if (comma == rest.text.size()) return bits;
            rest = rest.after(comma + 1);
        }
    }

private:
    bool is_days() const { return &rules_ == &day_field; }
    bool is_weekdays() const { return &rules_ == &weekday_field; }
    bool takes_any() const { return is_days() || is_weekdays(); }
    std::uint64_t all() const { return bits_of(rules_.least, rules_.most, 1); }

    std::string range() const { return fmt::format("{}..{}", rules_.least, rules_.most); }

    unsigned refuse(piece at, std::string_view why)
    {
        if (!refused_) refused_ = refusal{fmt::format("the {} field, at character {}: {}", rules_.name, at.position, why), at.position};
        return rules_.least;
    }

    std::uint64_t read_item(piece item)
    {
        if (item.text.empty()) return refuse(item, "a value is missing");
        if (item.text.front() == '?') {
            return refuse(item, takes_any() ? "? stands alone in its field" : "? means any day, and stands only in the day fields; write *");
        }
        if (is_days() && read_day_word(item)) return 0;
        if (is_weekdays() && read_weekday_word(item)) return 0;
        return read_range(item);
    }

    // L, L-n, LW, nW.
    bool read_day_word(piece item)
    {
        if (upper(item.text.front()) == 'L') {
            if (item.text.size() == 1) {
                made_.days_before_last |= 1;
            } else if (item.text.size() == 2 && upper(item.text[1]) == 'W') {
                made_.last_workday = true;
            } else if (item.text[1] == '-') {
                const piece number = item.after(2);
                made_.days_before_last |= 1U << read_number(number, 1, 30, "days before the last");
            } else {
                refuse(item, fmt::format("{} is none of L, L-n and LW", item.text));
            }
            return true;
        }
        if (item.text.size() < 2 || upper(item.text.back()) != 'W') return false;
        const piece number = item.first(item.text.size() - 1);
        if (!std::all_of(number.text.begin(), number.text.end(), is_digit)) refuse(item, fmt::format("W stands after one day, as in 15W, and not in {}", item.text));
        made_.nearest_workdays |= 1U << read_number(number, 1, 31, "a day");
        return true;
    }

    // nL, n#k.
    bool read_weekday_word(piece item)
    {
        if (const auto hash = item.text.find('#'); hash != std::string_view::npos) {
            const unsigned weekday = read_value(item.first(hash)) % 7;
            const unsigned nth = read_number(item.after(hash + 1), 1, 5, "the weekday's number in the month");
            made_.nth_weekdays |= std::uint64_t{1} << (8 * nth + weekday);
            return true;
        }
        if (upper(item.text.back()) != 'L') return false;
        if (item.text.size() == 1) return refuse(item, "L needs a weekday before it: 5L is the last Friday of the month"), true;
        made_.nth_weekdays |= std::uint64_t{1} << (read_value(item.first(item.text.size() - 1)) % 7);
        return true;
    }

    // *, a, a-b, each with /n.
    std::uint64_t read_range(piece item)
    {
        const auto slash = item.text.find('/');
        const bool has_step = slash != std::string_view::npos;
        const piece span = has_step ? item.first(slash) : item;
        const unsigned step = has_step ? read_step(item.after(slash + 1)) : 1;
        unsigned first = rules_.least;
        unsigned last = is_weekdays() ? 6 : rules_.most;
        if (span.text == "*") return bits_of(first, last, step);
        const auto dash = span.text.find('-');
        if (dash == std::string_view::npos) {
            first = read_value(span);
            if (!has_step) last = first;
            else if (first > last) first = 0;        // from Sunday on, written as 7
            return bits_of(first, last, step);
        }
        first = read_value(span.first(dash));
        last = read_value(span.after(dash + 1));
        if (is_weekdays() && last == 0 && first > 0) last = 7;
        if (first > last) return refuse(span, fmt::format("{} runs backwards; write two ranges with a comma between them", span.text));
        return bits_of(first, last, step);
    }

    // A step beyond the whole range would let the first value alone fit, which is hardly what */90 was to mean.
    unsigned read_step(piece text)
    {
        return read_number(text, 1, rules_.most - rules_.least + (is_weekdays() ? 0 : 1), "a step");
    }

    unsigned read_value(piece text)
    {
        if (text.text.empty()) return refuse(text, "a value is missing");
        if (is_digit(text.text.front())) return read_number(text, rules_.least, rules_.most, {});
        for (unsigned i = 0; i < rules_.words.size() && !rules_.words[i].empty(); ++i) {
            if (same_word(text.text, rules_.words[i])) return rules_.least + i;
        }
        const bool has_words = !rules_.words[0].empty();
        return refuse(text, has_words ? fmt::format("{} is neither a number within {} nor a name like {}", text.text, range(), rules_.words[1])
                               : fmt::format("{} is no number within {}", text.text, range()));
    }

    unsigned read_number(piece text, unsigned least, unsigned most, std::string_view meaning)
    {
        constexpr unsigned enough = 100'000;
        unsigned n = 0;
        const bool digits = !text.text.empty() && std::all_of(text.text.begin(), text.text.end(), is_digit);
        for (const char c : digits ? text.text : std::string_view()) n = std::min(enough, n * 10 + static_cast<unsigned>(c - '0'));
        if (digits && n >= least && n <= most) return n;
        const std::string_view shown = text.text.empty() ? std::string_view("nothing") : text.text;
        refuse(text, meaning.empty() ? fmt::format("{} is not within {}..{}", shown, least, most)
                                     : fmt::format("{} is not within {}..{} as {}", shown, least, most, meaning));
        return least;
    }

    const field_rules& rules_;
    cron_pattern& made_;
    std::optional<refusal> refused_;
};

// ---- the whole

std::vector<piece> fields_of(std::string_view expression)
{
    std::vector<piece> fields;
    for (std::size_t at = 0; at < expression.size();) {
        if (is_blank(expression[at])) {
            ++at;
            continue;
        }
        std::size_t end = at;
        while (end < expression.size() && !is_blank(expression[end])) ++end;
        fields.push_back({expression.substr(at, end - at), at + 1});
        at = end;
    }
    return fields;
}

bool begins_with_star(piece field)
{
    return field.text.front() == '*' || field.text == "?";
}

// Whether some day of the calendar fits. Years differ in whether they are leap years and in the weekday that they begin with, and all fourteen
// kinds come in each 400 years.
bool ever_fits(const cron_pattern& pattern)
{
    constexpr std::array<unsigned, 13> lengths{0, 31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
    for (unsigned kind = 0; kind < 14; ++kind) {
        unsigned weekday = kind % 7;
        for (unsigned month = 1; month <= 12; ++month) {
            const unsigned length = lengths[month] + (month == 2 && kind >= 7 ? 1 : 0);
            if ((pattern.months >> month & 1) && fitting_days(pattern, weekday, length) != 0) return true;
            weekday = (weekday + length) % 7;
        }
    }
    return false;
}

class expression_reader {
public:
    std::variant<cron_pattern, cron_error> read(const std::vector<piece>& fields)
    {
        const bool has_seconds = fields.size() == 6;
        std::size_t at = 0;
        pattern_.seconds = has_seconds ? read_field(second_field, fields[at++]) : 1;
        pattern_.minutes = read_field(minute_field, fields[at++]);
        pattern_.any_hour = fields[at].text.front() == '*';
        pattern_.hours = static_cast<std::uint32_t>(read_field(hour_field, fields[at++]));
        const piece day = fields[at];
        pattern_.any_day = begins_with_star(day);
        pattern_.days = static_cast<std::uint32_t>(read_field(day_field, fields[at++]));
        pattern_.months = static_cast<std::uint16_t>(read_field(month_field, fields[at++]));
        pattern_.any_weekday = begins_with_star(fields[at]);
        const auto weekdays = read_field(weekday_field, fields[at++]);
        pattern_.weekdays = static_cast<std::uint8_t>((weekdays | weekdays >> 7) & 0x7f);
        if (!wrong_.empty()) return cron_error{fmt::format("{}", fmt::join(wrong_, "; ")), position_};
        if (!ever_fits(pattern_)) return cron_error{fmt::format("never fires: none of its months has a day that fits, at character {}", day.position), day.position};
        return pattern_;
    }

private:
    std::uint64_t read_field(const field_rules& rules, piece field)
    {
        field_reader reader(rules, pattern_);
        const auto bits = reader.read(field);
        if (const auto& why = reader.refused()) {
            if (wrong_.empty()) position_ = why->position;
            wrong_.push_back(why->message);
        }
        return bits;
    }

    cron_pattern pattern_;
    std::vector<std::string> wrong_;
    std::size_t position_ = 0;
};

cron_error no_word(piece given)
{
    std::vector<std::string_view> known;
    for (const auto& word : words) known.push_back(word.first);
    return {fmt::format("{} is none of {}; or give five fields (minute, hour, day of month, month, day of week), or six with the second first", given.text, fmt::join(known, ", ")),
            given.position};
}

}

std::variant<cron_pattern, cron_error> parse_cron(std::string_view expression)
{
    auto fields = fields_of(expression);
    if (fields.size() == 1 && fields[0].text.front() == '@') {
        const auto word = std::find_if(words.begin(), words.end(), [&fields](const auto& w) { return same_word(w.first, fields[0].text); });
        if (word == words.end()) return no_word(fields[0]);
        fields = fields_of(word->second);
    }
    if (fields.size() < 5 || fields.size() > 6) {
        return cron_error{fmt::format("has {} field{}; it must have five (minute, hour, day of month, month, day of week), or six with the second first", fields.size(),
                                      fields.size() == 1 ? "" : "s"),
                          fields.size() > 6 ? fields[6].position : expression.size() + 1};
    }
    return expression_reader().read(fields);
}

}
