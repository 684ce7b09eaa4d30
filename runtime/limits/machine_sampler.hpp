#pragma once

#include "runtime/limits/machine_figures.hpp"
#include "runtime/limits/pressure.hpp"

#include <cstdint>
#include <filesystem>
#include <map>
#include <string>
#include <vector>

namespace rowlock::runtime {

struct machine_places {
    std::filesystem::path control_group{};           // whose memory and processors; empty: the server's own, and those above it
    std::vector<std::filesystem::path> directories{};    // whose disks; one that is not there yet is sought further up
};

// Measures memory, processors and disks. Reads files, which may take a while where a disk hangs: not on a core. One thread at a time.
class machine_sampler {
public:
    explicit machine_sampler(machine_places places);

    struct figures {
        resource_sample memory{};                    // of the control group that is closest to its limit, or of the machine where none has one
        resource_sample cpu{};                       // since the last call; the first has none
        resource_sample disk{};                      // of the fullest that has less than `enough_mb` left, else of the fullest
        std::string disk_path{};
    };
    figures measure(std::int64_t enough_mb);

private:
    std::vector<std::filesystem::path> groups() const;
    resource_sample memory(const std::vector<std::filesystem::path>& groups) const;
    resource_sample cpu(const std::vector<std::filesystem::path>& groups);
    void disk(figures& into, std::int64_t enough_mb) const;

    machine_places places_;
    std::map<std::string, cpu_time> before_;         // by the file that told it
};

}
