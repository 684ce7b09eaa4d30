#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace rowlock::runtime {

// What Linux says of memory and processors, read out of its files. Pure; nullopt: the text is not what it should be, or there is no limit.

// /proc/meminfo: what is not available, in percent of all.
std::optional<double> memory_percent(std::string_view meminfo);
// memory.max, memory.current and memory.stat of a control group: what is used, but for files that can be dropped, in percent of what may be.
std::optional<double> group_memory_percent(std::string_view max, std::string_view current, std::string_view stat);

// Processor time up to now, in any unit: what was used, and what there was.
struct cpu_time {
    double used = 0;
    double offered = 0;
};
// /proc/stat: of the machine.
std::optional<cpu_time> machine_cpu_time(std::string_view stat);
// cpu.max and cpu.stat of a control group, whose quota lets it use so much of each period; `clock`: seconds, from any beginning.
std::optional<cpu_time> group_cpu_time(std::string_view max, std::string_view stat, double clock);
// nullopt: no time has passed.
std::optional<double> cpu_percent(const cpu_time& before, const cpu_time& now);

// /proc/self/cgroup: the path of the control group (version 2) below where they are mounted; nullopt: there is none.
std::optional<std::string> own_control_group(std::string_view cgroup);

}
