#include "runtime/schedule/zone_rule.hpp"

#include "runtime/schedule/civil.hpp"

namespace rowlock::runtime {

namespace {

constexpr std::int32_t hour = 3600;

// Takes the text apart from its front. What cannot be taken makes it bad, and it stays so.
class rule_reader {
public:
    explicit rule_reader(std::string_view text) : rest_(text) {}

    bool good() const { return good_; }
    bool at_end() const { return rest_.empty(); }

    bool is_at(char c) const { return !rest_.empty() && rest_.front() == c; }

    bool take(char c)
    {
        if (!is_at(c)) return false;
        rest_.remove_prefix(1);
        return true;
    }

    void demand(char c) { good_ = take(c) && good_; }

    // Letters, or anything between < and >.
    void skip_name()
    {
        const bool quoted = take('<');
        std::size_t n = 0;
        while (n < rest_.size() && (quoted ? rest_[n] != '>' : is_letter(rest_[n]))) ++n;
        good_ = good_ && n >= 3;
        rest_.remove_prefix(n);
        if (quoted) demand('>');
    }

    int number(int most)
    {
        int n = 0;
        std::size_t digits = 0;
        for (; digits < rest_.size() && digits < 4 && rest_[digits] >= '0' && rest_[digits] <= '9'; ++digits) n = n * 10 + (rest_[digits] - '0');
        rest_.remove_prefix(digits);
        good_ = good_ && digits > 0 && n <= most;
        return n;
    }

    // hh[:mm[:ss]] with a sign.
    std::int32_t clock()
    {
        const bool negative = take('-');
        if (!negative) take('+');
        std::int32_t seconds = number(167) * hour;
        if (take(':')) {
            seconds += number(59) * 60;
            if (take(':')) seconds += number(59);
        }
        return negative ? -seconds : seconds;
    }

    zone_rule::day_of_change change()
    {
        using form = zone_rule::day_of_change::form;
        zone_rule::day_of_change made;
        demand(',');
        if (take('M')) {
            made.month = number(12);
            demand('.');
            made.week = number(5);
            demand('.');
            made.day = number(6);
            good_ = good_ && made.month > 0 && made.week > 0;
        } else if (take('J')) {
            made.kind = form::day_without_leap;
            made.day = number(365);
            good_ = good_ && made.day > 0;
        } else {
            made.kind = form::day_with_leap;
            made.day = number(365);
        }
        if (take('/')) made.at = clock();
        return made;
    }

private:
    static bool is_letter(char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z'); }

    std::string_view rest_;
    bool good_ = true;
};

}

epoch_seconds zone_rule::day_of_change::in(std::int64_t year) const
{
    std::int64_t days = 0;
    switch (kind) {
    case form::weekday_of_month: {
        const auto of_month = static_cast<unsigned>(month);
        days = days_of(year, of_month, 1);
        const int to_first = (day + 7 - static_cast<int>(weekday_of(days))) % 7;
        const int last_start = static_cast<int>(days_in(year, of_month)) - 1;
        int offset = to_first + 7 * (week - 1);
        if (offset > last_start) offset -= 7;
        days += offset;
        break;
    }
    case form::day_without_leap: days = days_of(year, 1, 1) + day - 1 + (is_leap(year) && day >= 60 ? 1 : 0); break;
    case form::day_with_leap: days = days_of(year, 1, 1) + day; break;
    }
    return days * day_seconds + at;
}

std::optional<zone_rule> parse_zone_rule(std::string_view text)
{
    rule_reader reader(text);
    zone_rule rule;
    reader.skip_name();
    rule.standard = -reader.clock();                // POSIX counts to the west
    if (!reader.at_end()) {
        rule.has_daylight = true;
        reader.skip_name();
        rule.daylight = rule.standard + hour;
        if (!reader.is_at(',')) rule.daylight = -reader.clock();
        rule.starts = reader.change();
        rule.ends = reader.change();
    }
    if (!reader.good() || !reader.at_end()) return std::nullopt;
    return rule;
}

}
