#include "runtime/limits/machine_figures.hpp"

#include <algorithm>
#include <charconv>
#include <vector>

namespace rowlock::runtime {

namespace {

constexpr double hundred = 100;

std::vector<std::string_view> words_of(std::string_view line)
{
    std::vector<std::string_view> words;
    for (std::size_t at = 0; (at = line.find_first_not_of(" \t\n", at)) != std::string_view::npos;) {
        const auto end = std::min(line.find_first_of(" \t\n", at), line.size());
        words.push_back(line.substr(at, end - at));
        at = end;
    }
    return words;
}

std::optional<double> number(std::string_view word)
{
    double n = 0;
    const auto read = std::from_chars(word.data(), word.data() + word.size(), n);
    if (read.ec != std::errc{} || read.ptr != word.data() + word.size() || n < 0) return std::nullopt;
    return n;
}

std::optional<double> first_number(std::string_view text)
{
    const auto words = words_of(text);
    return words.empty() ? std::nullopt : number(words[0]);
}

// The words of the line that begins with this one.
std::vector<std::string_view> line_of(std::string_view text, std::string_view first)
{
    for (std::size_t at = 0; at < text.size();) {
        const auto end = std::min(text.find('\n', at), text.size());
        auto words = words_of(text.substr(at, end - at));
        if (!words.empty() && words[0] == first) return words;
        at = end + 1;
    }
    return {};
}

std::optional<double> figure_of(std::string_view text, std::string_view name)
{
    const auto words = line_of(text, name);
    return words.size() < 2 ? std::nullopt : number(words[1]);
}

}

std::optional<double> memory_percent(std::string_view meminfo)
{
    const auto total = figure_of(meminfo, "MemTotal:");
    const auto available = figure_of(meminfo, "MemAvailable:");
    if (!total || !available || *total <= 0) return std::nullopt;
    return std::clamp(hundred * (*total - *available) / *total, 0.0, hundred);
}

std::optional<double> group_memory_percent(std::string_view max, std::string_view current, std::string_view stat)
{
    const auto may = first_number(max);              // "max": no limit
    const auto used = first_number(current);
    if (!may || !used || *may <= 0) return std::nullopt;
    return hundred * std::max(0.0, *used - figure_of(stat, "inactive_file").value_or(0)) / *may;
}

std::optional<cpu_time> machine_cpu_time(std::string_view stat)
{
    // cpu user nice system idle iowait irq softirq steal guest guest_nice; what guests used is in user and nice already.
    const auto words = line_of(stat, "cpu");
    constexpr std::size_t idle = 4;
    constexpr std::size_t iowait = 5;
    constexpr std::size_t guest = 9;
    if (words.size() <= idle) return std::nullopt;
    cpu_time time;
    for (std::size_t i = 1; i < std::min(words.size(), guest); ++i) {
        const auto n = number(words[i]);
        if (!n) return std::nullopt;
        time.offered += *n;
        if (i != idle && i != iowait) time.used += *n;
    }
    return time;
}

std::optional<cpu_time> group_cpu_time(std::string_view max, std::string_view stat, double clock)
{
    const auto words = words_of(max);
    const auto used = figure_of(stat, "usage_usec");
    if (words.size() < 2 || !used) return std::nullopt;
    const auto quota = number(words[0]);             // "max": no limit
    const auto period = number(words[1]);
    if (!quota || !period || *period <= 0) return std::nullopt;
    constexpr double microseconds = 1e6;
    return cpu_time{*used, clock * microseconds * *quota / *period};
}

std::optional<double> cpu_percent(const cpu_time& before, const cpu_time& now)
{
    if (now.offered <= before.offered || now.used < before.used) return std::nullopt;
    return hundred * (now.used - before.used) / (now.offered - before.offered);
}

std::optional<std::string> own_control_group(std::string_view cgroup)
{
    constexpr std::string_view version_2 = "0::";
    for (std::size_t at = 0; at < cgroup.size();) {
        const auto end = std::min(cgroup.find('\n', at), cgroup.size());
        const auto line = cgroup.substr(at, end - at);
        if (line.starts_with(version_2)) return std::string(line.substr(version_2.size()));
        at = end + 1;
    }
    return std::nullopt;
}

}
