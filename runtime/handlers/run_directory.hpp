#pragma once

#include "runtime/async/types.hpp"
#include "runtime/handlers/attempt.hpp"
#include "runtime/handlers/failure.hpp"
#include "runtime/handlers/file_descriptor.hpp"

#include <filesystem>
#include <string>
#include <string_view>

namespace rowlock::runtime {

// The directory of a run, root/RUN_ID: made on demand, shared by its attempts, kept with its history. Fails with RESOURCE_EXHAUSTED.
attempted<std::filesystem::path> make_run_directory(const std::filesystem::path& root, const execution_id& run);

// The private directory of one attempt, root/.attempts/EXECUTION_ID, with the empty folder `work` in it. It is locked as long as
// this object lives, so that no server takes it for one that a crash has left behind.
struct attempt_directory {
    std::filesystem::path path;
    file_descriptor lock;

    std::filesystem::path work() const { return path / "work"; }
    std::filesystem::path parameters() const { return path / "parameters.json"; }
    std::filesystem::path checkpoint() const { return path / "checkpoint"; }
};
// What an earlier claim of the same execution has left there is removed first. Fails with RESOURCE_EXHAUSTED.
awaitable<attempted<attempt_directory>> make_attempt_directory(std::filesystem::path root, execution_id id);

// Readable by its owner alone. Fails with RESOURCE_EXHAUSTED.
attempted<void> write_file(const std::filesystem::path& file, std::string_view contents);

// Removes a tree, piece by piece, so that a large one does not hold up the core. What cannot be removed is logged.
awaitable<void> remove_tree(std::filesystem::path root);

// Removes the private directories of attempts whose server died.
awaitable<void> remove_abandoned(std::filesystem::path root);

// Takes a file below a run's directory for the record: makes it read-only and hashes it, piece by piece. Fails with
// INVALID_CONFIG for what is no path below the directory, passes a symbolic link, or is no regular file with one name.
awaitable<attempted<artifact>> seal_artifact(std::filesystem::path run_directory, std::string name);

}
