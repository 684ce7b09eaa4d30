#pragma once

#include "runtime/limits/machine_figures.hpp"
#include "runtime/limits/pressure.hpp"

#include <cstdint>
#include <filesystem>
#include <map>
#include <memory>
#include <string>
#include <vector>

namespace rowlock::runtime {

struct machine_places {
    std::filesystem::path control_group{};           // whose memory and processors; empty: the server's own, and those above it
    std::vector<std::filesystem::path> directories{};    // whose disks; one that is not there yet is sought further up
};

// Measures memory and processors. Reads files: not on a core. One thread at a time.
class machine_sampler {
public:
    explicit machine_sampler(std::filesystem::path control_group);

    struct figures {
        resource_sample memory{};                    // of the control group that is closest to its limit, or of the machine where none has one
        resource_sample cpu{};                       // since the last call; the first has none
    };
    figures measure();

private:
    std::vector<std::filesystem::path> groups() const;
    resource_sample memory(const std::vector<std::filesystem::path>& groups) const;
    resource_sample cpu(const std::vector<std::filesystem::path>& groups);

    std::filesystem::path control_group_;
    std::map<std::string, cpu_time> before_;         // by the file that told it
};

struct disk_figures {
    resource_sample fullest{};                       // of the disks that have less than `enough_mb` left, else of all
    std::string path{};                              // of that
};
// Blocks for as long as one of them hangs.
disk_figures measure_disks(const std::vector<std::filesystem::path>& directories, std::int64_t enough_mb);

// Measures disks beside everything else: one that hangs keeps nobody waiting, and no process from ending. One thread uses it.
class disk_probe {
public:
    explicit disk_probe(std::vector<std::filesystem::path> directories);

    // Begins to measure, unless the last time has not come to an end yet.
    void begin(std::int64_t enough_mb);
    // Is it still at it?
    bool busy() const;
    // What was found last, once; nothing while it is busy.
    disk_figures take();

private:
    struct found;
    std::shared_ptr<found> found_;                   // shared with the thread, which may outlive us
};

}
