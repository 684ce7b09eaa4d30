#include "tests/unit/schedule/naive_cron.hpp"

#include <algorithm>
#include <cctype>
#include <cstdlib>

namespace rowlock::naive {

namespace {

std::vector<std::string> split(std::string_view text, char at)
{
    std::vector<std::string> parts(1);
    for (const char c : text) {
        if (c == at) parts.emplace_back();
        else parts.back() += c;
    }
    return parts;
}

int value_of(const std::string& word)
{
    static const std::map<std::string, int> names{{"SUN", 0}, {"MON", 1}, {"TUE", 2}, {"WED", 3}, {"THU", 4}, {"FRI", 5}, {"SAT", 6}, {"JAN", 1}, {"FEB", 2}, {"MAR", 3},
                                                  {"APR", 4}, {"MAY", 5}, {"JUN", 6}, {"JUL", 7}, {"AUG", 8}, {"SEP", 9}, {"OCT", 10}, {"NOV", 11}, {"DEC", 12}};
    std::string upper;
    for (const char c : word) upper += static_cast<char>(std::toupper(static_cast<unsigned char>(c)));
    const auto name = names.find(upper);
    return name != names.end() ? name->second : std::stoi(word);
}

// *, a, a-b, each with /n.
bool fits_range(const std::string& item, int value, int least, int most)
{
    const auto halves = split(item, '/');
    const int step = halves.size() > 1 ? value_of(halves[1]) : 1;
    int first = least;
    int last = most;
    if (halves[0] != "*") {
        const auto ends = split(halves[0], '-');
        first = value_of(ends[0]);
        last = ends.size() > 1 ? value_of(ends[1]) : halves.size() > 1 ? most : first;
    }
    return value >= first && value <= last && (value - first) % step == 0;
}

bool fits_list(const std::string& field, int value, int least, int most)
{
    const auto items = split(field, ',');
    return std::any_of(items.begin(), items.end(), [&](const std::string& item) { return fits_range(item, value, least, most); });
}

std::tm date_at(std::int64_t reading)
{
    std::tm broken{};
    const std::time_t t = reading;
    gmtime_r(&t, &broken);
    return broken;
}

int weekday_of(int year, int month, int day)
{
    std::tm date{};
    date.tm_year = year - 1900;
    date.tm_mon = month - 1;
    date.tm_mday = day;
    timegm(&date);
    return date.tm_wday;
}

int days_in(int year, int month)
{
    std::tm date{};
    date.tm_year = year - 1900;
    date.tm_mon = month;                     // day 0 of the next month is the last of this one
    date.tm_mday = 0;
    timegm(&date);
    return date.tm_mday;
}

bool is_workday(int year, int month, int day)
{
    if (day < 1 || day > days_in(year, month)) return false;
    const int weekday = weekday_of(year, month, day);
    return weekday != 0 && weekday != 6;
}

int nearest_workday(int year, int month, int day)
{
    for (const int away : {0, -1, 1, -2, 2}) {
        if (is_workday(year, month, day + away)) return day + away;
    }
    return 0;
}

bool fits_date(const std::string& item, int year, int month, int day)
{
    const int last = days_in(year, month);
    if (item == "?") return true;
    if (item == "L") return day == last;
    if (item == "LW") return day == nearest_workday(year, month, last);
    if (item.starts_with("L-")) return day == last - std::stoi(item.substr(2));
    if (item.ends_with("W")) {
        const int wanted = std::stoi(item);
        return wanted <= last && day == nearest_workday(year, month, wanted);
    }
    return fits_range(item, day, 1, 31);
}

bool fits_weekday(const std::string& item, int year, int month, int day)
{
    const int weekday = weekday_of(year, month, day);
    if (item == "?") return true;
    if (const auto parts = split(item, '#'); parts.size() == 2) return weekday == value_of(parts[0]) % 7 && (day - 1) / 7 + 1 == std::stoi(parts[1]);
    if (item.ends_with("L")) return weekday == value_of(item.substr(0, item.size() - 1)) % 7 && day + 7 > days_in(year, month);
    if (item.front() == '*') return fits_range(item, weekday, 0, 6);
    // Sunday is 0 and 7.
    const auto halves = split(item, '/');
    const auto ends = split(halves[0], '-');
    int last = ends.size() > 1 ? value_of(ends[1]) : halves.size() > 1 ? 6 : value_of(ends[0]);
    if (last == 0) last = ends.size() > 1 && value_of(ends[0]) > 0 ? 7 : 0;
    const int step = halves.size() > 1 ? value_of(halves[1]) : 1;
    for (int value = value_of(ends[0]); value <= last; value += step) {
        if (value % 7 == weekday) return true;
    }
    return false;
}

}

expression::expression(std::string_view text)
{
    std::vector<std::string> fields;
    for (auto& part : split(text, ' ')) {
        if (!part.empty()) fields.push_back(std::move(part));
    }
    if (fields.size() == 5) fields.insert(fields.begin(), "0");
    second_ = fields[0];
    minute_ = fields[1];
    hour_ = fields[2];
    day_ = fields[3];
    month_ = fields[4];
    weekday_ = fields[5];
    for (int n = 0; n < 60; ++n) seconds_[static_cast<std::size_t>(n)] = fits_list(second_, n, 0, 59);
    for (int n = 0; n < 60; ++n) minutes_[static_cast<std::size_t>(n)] = fits_list(minute_, n, 0, 59);
    for (int n = 0; n < 24; ++n) hours_[static_cast<std::size_t>(n)] = fits_list(hour_, n, 0, 23);
}

bool expression::fits_day(int year, int month, int day) const
{
    if (!fits_list(month_, month, 1, 12)) return false;
    const auto dates = split(day_, ',');
    const auto weekdays = split(weekday_, ',');
    const bool by_date = std::any_of(dates.begin(), dates.end(), [&](const std::string& item) { return fits_date(item, year, month, day); });
    const bool by_weekday = std::any_of(weekdays.begin(), weekdays.end(), [&](const std::string& item) { return fits_weekday(item, year, month, day); });
    const auto restricted = [](const std::string& field) { return field.front() != '*' && field != "?"; };
    return restricted(day_) && restricted(weekday_) ? by_date || by_weekday : by_date && by_weekday;
}

bool expression::fits(std::int64_t reading) const
{
    const std::tm at = date_at(reading);
    const auto part = [](int n) { return static_cast<std::size_t>(n); };
    if (!seconds_[part(at.tm_sec)] || !minutes_[part(at.tm_min)] || !hours_[part(at.tm_hour)]) return false;
    const auto date = (at.tm_year * 12 + at.tm_mon) * 31 + at.tm_mday;
    const auto known = days_.find(date);
    if (known != days_.end()) return known->second;
    return days_[date] = fits_day(at.tm_year + 1900, at.tm_mon + 1, at.tm_mday);
}

zone_in_force::zone_in_force(const std::string& name)
{
    setenv("TZ", name.c_str(), 1);
    tzset();
}

zone_in_force::~zone_in_force()
{
    unsetenv("TZ");
    tzset();
}

std::int64_t zone_in_force::reading_at(std::int64_t at)
{
    std::tm broken{};
    const std::time_t t = at;
    localtime_r(&t, &broken);
    return at + broken.tm_gmtoff;
}

stretch read_clock(std::int64_t begin, std::int64_t step, std::size_t steps)
{
    stretch all{begin, step, {}, {}, {}};
    for (std::size_t i = 0; i < steps; ++i) all.readings.push_back(zone_in_force::reading_at(begin + static_cast<std::int64_t>(i) * step));
    std::map<std::int64_t, int> shown;
    for (const auto reading : all.readings) all.shown_before.push_back(shown[reading]++ > 0);
    for (const auto reading : all.readings) all.shown_again.push_back(--shown[reading] > 0);
    return all;
}

std::vector<std::int64_t> ticks_in(const stretch& all, const expression& cron, dst_gap gap, dst_overlap overlap)
{
    std::vector<std::int64_t> ticks;
    for (std::size_t i = 0; i < all.readings.size(); ++i) {
        const auto reading = all.readings[i];
        const bool left_out = (overlap == dst_overlap::first && all.shown_before[i]) || (overlap == dst_overlap::second && all.shown_again[i]);
        bool fires = !left_out && cron.fits(reading);
        if (i > 0 && gap == dst_gap::fire_after) {
            for (auto skipped = all.readings[i - 1] + all.step; !fires && skipped < reading; skipped += all.step) fires = cron.fits(skipped);
        }
        if (fires) ticks.push_back(all.begin + static_cast<std::int64_t>(i) * all.step);
    }
    return ticks;
}

}
