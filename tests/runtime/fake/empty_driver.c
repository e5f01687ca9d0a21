/* A CUDA driver of a good version that lacks every other function. */
int cuDriverGetVersion(int* version) {
  *version = 13000;
  return 0;
}
