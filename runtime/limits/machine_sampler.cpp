#include "runtime/limits/machine_sampler.hpp"

#include <algorithm>
#include <chrono>
#include <fstream>
#include <mutex>
#include <spdlog/spdlog.h>
#include <sys/statvfs.h>
#include <system_error>
#include <thread>
#include <utility>

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

machine_sampler::machine_sampler(fs::path control_group) : control_group_(std::move(control_group)) {}

machine_sampler::figures machine_sampler::measure()
{
    const auto all = groups();
    figures now;
    now.memory = memory(all);
    now.cpu = cpu(all);
    return now;
}

// A limit of a group binds those below it.
std::vector<fs::path> machine_sampler::groups() const
{
    if (!control_group_.empty()) return {control_group_};
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

disk_figures measure_disks(const std::vector<fs::path>& directories, std::int64_t enough_mb)
{
    disk_figures into;
    constexpr double megabyte = 1 << 20;
    bool worst_is_short = false;
    for (const auto& directory : directories) {
        struct statvfs disk {};
        const auto path = nearest_that_exists(directory);
        if (statvfs(path.c_str(), &disk) != 0 || disk.f_blocks == 0) continue;
        // As df counts: what is kept for root is neither used nor free.
        const auto used = static_cast<double>(disk.f_blocks - disk.f_bfree);
        const auto left = static_cast<double>(disk.f_bavail);
        const double percent = used + left > 0 ? 100 * used / (used + left) : 100;
        const auto left_mb = static_cast<std::int64_t>(left * static_cast<double>(disk.f_frsize) / megabyte);
        const bool is_short = left_mb < enough_mb;
        if (into.fullest.usage && (worst_is_short > is_short || (worst_is_short == is_short && *into.fullest.usage >= percent))) continue;
        worst_is_short = is_short;
        into.fullest = {percent, left_mb};
        into.path = path.string();
    }
    return into;
}

struct disk_probe::found {
    explicit found(std::vector<fs::path> all) : directories(std::move(all)) {}

    const std::vector<fs::path> directories;
    std::mutex mutex{};
    bool busy = false;                               // under mutex
    disk_figures last{};                             // under mutex
};

disk_probe::disk_probe(std::vector<fs::path> directories) : found_(std::make_shared<found>(std::move(directories))) {}

void disk_probe::begin(std::int64_t enough_mb)
{
    {
        const std::lock_guard lock(found_->mutex);
        if (std::exchange(found_->busy, true)) return;
    }
    // Nothing can be done about a call that hangs in the kernel but to leave it behind. There is one at most.
    const auto measure = [into = found_, enough_mb] {
        disk_figures now;
        try {
            now = measure_disks(into->directories, enough_mb);
        } catch (const std::exception& e) {
            spdlog::warn("the disks cannot be measured: {}", e.what());
        }
        const std::lock_guard lock(into->mutex);
        into->last = std::move(now);
        into->busy = false;
    };
    try {
        std::thread(measure).detach();
    } catch (const std::system_error&) {             // no more threads: the next sample tries again
        const std::lock_guard lock(found_->mutex);
        found_->busy = false;
    }
}

bool disk_probe::busy() const
{
    const std::lock_guard lock(found_->mutex);
    return found_->busy;
}

disk_figures disk_probe::take()
{
    const std::lock_guard lock(found_->mutex);
    if (found_->busy) return {};
    return std::exchange(found_->last, {});
}

}
