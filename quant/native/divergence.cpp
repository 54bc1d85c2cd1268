#include "divergence.hpp"

#include <algorithm>
#include <cmath>

#include "exponential.hpp"
#include "hot.hpp"

namespace accllm::quant {

namespace {

constexpr int lanes = 16;

ACCLLM_HOT float highestOf(const float* values, int64_t count) {
  float partial[lanes];
  std::fill_n(partial, lanes, values[0]);
  int64_t i = 0;
  for (; i + lanes <= count; i += lanes)
    for (int l = 0; l < lanes; l++) partial[l] = std::max(partial[l], values[i + l]);
  for (; i < count; i++) partial[0] = std::max(partial[0], values[i]);
  return *std::max_element(partial, partial + lanes);
}

/** out = e^(values - shift). @return their sum. */
ACCLLM_HOT double exponentials(const float* values, float shift, int64_t count, float* out) {
  for (int64_t i = 0; i < count; i++) out[i] = exponential(values[i] - shift);
  double partial[lanes] = {};
  int64_t i = 0;
  for (; i + lanes <= count; i += lanes)
    for (int l = 0; l < lanes; l++) partial[l] += out[i + l];
  for (; i < count; i++) partial[0] += out[i];
  double sum = 0;
  for (double value : partial) sum += value;
  return sum;
}

/** Sum of p * (a - b). */
ACCLLM_HOT double weightedDifference(const float* p, const float* a, const float* b, int64_t count) {
  double partial[lanes] = {};
  int64_t i = 0;
  for (; i + lanes <= count; i += lanes)
    for (int l = 0; l < lanes; l++) partial[l] += p[i + l] * (a[i + l] - b[i + l]);
  for (; i < count; i++) partial[0] += p[i] * (a[i] - b[i]);
  double sum = 0;
  for (double value : partial) sum += value;
  return sum;
}

ACCLLM_HOT void subtract(float factorA, const float* b, float factorB, int64_t count, float* a) {
  for (int64_t i = 0; i < count; i++) a[i] = a[i] * factorA - b[i] * factorB;
}

}  // namespace

double tokenDivergence(float* student, const float* teacher, int64_t width, int64_t tokens, float* scratch) {
  const float highestStudent = highestOf(student, width);
  const float highestTeacher = highestOf(teacher, width);
  const double teacherSum = exponentials(teacher, highestTeacher, width, scratch);
  const double cross = weightedDifference(scratch, teacher, student, width) / teacherSum;
  const double studentSum = exponentials(student, highestStudent, width, student);
  if (tokens > 0)
    subtract(static_cast<float>(1 / (studentSum * static_cast<double>(tokens))), scratch,
             static_cast<float>(1 / (teacherSum * static_cast<double>(tokens))), width, student);
  return cross - highestTeacher + highestStudent - std::log(teacherSum) + std::log(studentSum);
}

}  // namespace accllm::quant
