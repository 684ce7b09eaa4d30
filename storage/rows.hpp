#pragma once

#include "storage/model/ids.hpp"
#include "storage/model/time.hpp"

#include <chrono>
#include <pqxx/pqxx>
#include <vector>

namespace rowlock::storage {

// Fields of a result as types of the model. They come from our own statements: what does not parse is a defect, and throws.
execution_id id_of(const pqxx::field& f);
// Of arrays without nulls in them; null: none.
std::vector<execution_id> ids_of(const pqxx::field& array);
std::vector<std::int64_t> numbers_of(const pqxx::field& array);
std::vector<bool> truths_of(const pqxx::field& array);
timestamp time_of(const pqxx::field& f);

// PRIORITY_AGE_SECONDS, as the functions of the queue take it: p_age.
float as_age(std::chrono::milliseconds priority_age);

}
