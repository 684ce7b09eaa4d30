#include "runtime/limits/machine_sampler.hpp"

#include <algorithm>
#include <chrono>
#include <fstream>
#include <sys/statvfs.h>

namespace rowlock::runtime {

namespace {

namespace fs = std::filesystem;

constexpr const char* control_groups = "/sys/fs/cgroup";
constexpr std::size_t longest_file = 256 << 10;

// The beginning of a small file; empty where it cannot be read.
std::string text_of(const fs::path& file)
{
    std::ifstream in(file, std::ios::binary);
    std::string text(longest_file, '\0');
    in.read(text.data(), static_cast<std::streamsize>(text.size()));
    text.resize(static_cast<std::size_t>(std::max<std::streamsize>(in.gcount(), 0)));
    return text;
}

double seconds_now()
{
    return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count();
}

fs::path nearest_that_exists(fs::path directory)
{
    std::error_code ignored;
    directory = fs::absolute(directory, ignored);
    while (!directory.empty() && directory != directory.root_path() && !fs::exists(directory, ignored)) directory = directory.parent_path();
    return directory;
}

}

machine_sampler::machine_sampler(machine_places places) : places_(std::move(places)) {}

machine_sampler::figures machine_sampler::measure(std::int64_t enough_mb)
{
    const auto all = groups();
    figures now;
    now.memory = memory(all);
    now.cpu = cpu(all);
    disk(now, enough_mb);
    return now;
}

// A limit of a group binds those below it.
std::vector<fs::path> machine_sampler::groups() const
{
    if (!places_.control_group.empty()) return {places_.control_group};
    const auto own = own_control_group(text_of("/proc/self/cgroup"));
    if (!own) return {};
    std::vector<fs::path> all;
    for (fs::path below = fs::path(*own).relative_path(); !below.empty(); below = below.parent_path()) all.push_back(control_groups / below);
    all.emplace_back(control_groups);
    return all;
}

resource_sample machine_sampler::memory(const std::vector<fs::path>& groups) const
{
    resource_sample worst;
    for (const auto& group : groups) {
        const auto percent = group_memory_percent(text_of(group / "memory.max"), text_of(group / "memory.current"), text_of(group / "memory.stat"));
        if (percent && *percent > worst.usage.value_or(-1)) worst.usage = percent;
    }
    if (!worst.usage) worst.usage = memory_percent(text_of("/proc/meminfo"));
    return worst;
}

resource_sample machine_sampler::cpu(const std::vector<fs::path>& groups)
{
    resource_sample worst;
    bool limited = false;
    const auto measure = [&](const std::string& source, const std::optional<cpu_time>& now) {
        if (!now) return false;
        const auto before = before_.find(source);
        if (before != before_.end()) {
            const auto percent = cpu_percent(before->second, *now);
            if (percent && *percent > worst.usage.value_or(-1)) worst.usage = percent;
        }
        before_[source] = *now;
        return true;
    };
    for (const auto& group : groups) {
        limited = measure(group.string(), group_cpu_time(text_of(group / "cpu.max"), text_of(group / "cpu.stat"), seconds_now())) || limited;
    }
    if (!limited) measure("machine", machine_cpu_time(text_of("/proc/stat")));
    return worst;
}

void machine_sampler::disk(figures& into, std::int64_t enough_mb) const
{
    constexpr double megabyte = 1 << 20;
    bool worst_is_short = false;
    for (const auto& directory : places_.directories) {
        struct statvfs disk {};
        const auto path = nearest_that_exists(directory);
        if (statvfs(path.c_str(), &disk) != 0 || disk.f_blocks == 0) continue;
        // As df counts: what is kept for root is neither used nor free.
        const auto used = static_cast<double>(disk.f_blocks - disk.f_bfree);
        const auto left = static_cast<double>(disk.f_bavail);
        const double percent = used + left > 0 ? 100 * used / (used + left) : 100;
        const auto left_mb = static_cast<std::int64_t>(left * static_cast<double>(disk.f_frsize) / megabyte);
        const bool is_short = left_mb < enough_mb;
        if (into.disk.usage && (worst_is_short > is_short || (worst_is_short == is_short && *into.disk.usage >= percent))) continue;
        worst_is_short = is_short;
        into.disk = {percent, left_mb};
        into.disk_path = path.string();
    }
}

}
